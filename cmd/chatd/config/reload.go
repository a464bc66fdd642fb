package config

import "reflect"

// FixedDifferences names the settings that differ between a and b and that SIGHUP may not change.
func FixedDifferences(a, b *Config) []string {
	var keys []string
	for _, set := range newSchema().settings {
		if !set.reload && !reflect.DeepEqual(set.value(a).Interface(), set.value(b).Interface()) {
			keys = append(keys, set.key)
		}
	}
	return keys
}
