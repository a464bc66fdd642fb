// Package config reads chatd's configuration, once and strictly, into a struct that nobody changes afterwards.
//
// It owns the settings: their names, defaults, bounds and descriptions (struct tags of Config), the
// file format, the environment variables and the flags. config.example.yaml and docs/CONFIG.md are
// generated from the same tags.
//
// Four layers, the upper one wins: flag, environment (CHATD_…), file, default. Each layer is checked
// on its own, with its own words for where a fault is (chatd.yaml:14, CHATD_LISTEN, --listen); then
// viper lays them over each other and decodes the result into Config, exactly and without weak typing.
// Nothing is guessed: an unknown key or variable, a key given twice or in another case, a value of the
// wrong type or out of bounds is an error, and all errors are told at once.
//
// It may import the standard library, viper, pflag and yaml; none of chatd's own packages. It starts no goroutines.
package config

//go:generate go run generate.go
