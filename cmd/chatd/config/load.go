package config

import (
	"fmt"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Source is where Load looks. The zero value means the defaults.
type Source struct {
	// File is the configuration file; "" means the one that CHATD_CONFIG names, or none.
	File string
	// Environ is the environment as os.Environ gives it.
	Environ []string
	// Flags are those of AddFlags; only the ones given on the command line count.
	Flags *pflag.FlagSet
}

// Origins tells where each setting's value comes from, by key: "default", "chatd.yaml:14", a variable's or a flag's name.
type Origins map[string]string

// flagKeys names the settings that have a flag.
var flagKeys = []struct{ flag, key string }{
	{"listen", "listen"},
	{"data", "data_dir"},
	{"allow-plaintext", "allow_plaintext"},
	{"tls-cert", "tls.cert_file"},
	{"tls-key", "tls.key_file"},
	{"registration", "registration"},
	{"log-level", "log.level"},
	{"log-format", "log.format"},
}

// AddFlags defines the flags --listen, --data and so on. The flag --config is the caller's: it is a Source, not a setting.
func AddFlags(flags *pflag.FlagSet) {
	def := Default()
	flags.String("listen", def.Listen, "listen on `ADDR`, host:port")
	flags.String("data", def.DataDir, "keep everything in `DIR`")
	flags.Bool("allow-plaintext", false, "serve without TLS on an address other than loopback")
	flags.String("tls-cert", "", "certificate chain in `FILE`, PEM")
	flags.String("tls-key", "", "private key in `FILE`, PEM")
	flags.String("registration", string(def.Registration), "`WHO` may make an account: auto, open, invite or closed")
	flags.String("log-level", string(def.Log.Level), "log from `LEVEL` on: debug, info, warn or error")
	flags.String("log-format", string(def.Log.Format), "log in `FORMAT`: text or json")
}

// Load reads the configuration. An error is always Problems.
func Load(src *Source) (*Config, Origins, error) {
	s := newSchema()
	path := src.File
	if path == "" {
		path = lookup(src.Environ, FileVariable)
	}
	file := newLayer()
	var problems Problems
	if path != "" {
		var faults Problems
		if file, faults = s.readFile(path); faults != nil {
			problems = append(problems, faults...)
		}
	}
	env, faults := s.readEnv(src.Environ)
	problems = append(problems, faults...)
	flags, faults := s.readFlags(src.Flags)
	problems = append(problems, faults...)
	if problems != nil {
		return nil, nil, problems
	}
	return s.merge(file, env, flags)
}

// readFlags checks the flags that were given; their values have to be decoded as the file's are.
func (s *schema) readFlags(flags *pflag.FlagSet) (*layer, Problems) {
	l, problems := newLayer(), Problems(nil)
	for _, fk := range flagKeys {
		if flags == nil {
			break
		}
		f := flags.Lookup(fk.flag)
		if f == nil || !f.Changed {
			continue
		}
		v, err := s.byKey[fk.key].parse(f.Value.String())
		if err != nil {
			problems = append(problems, Problem{"--" + fk.flag, fk.key + " " + err.Error()})
			continue
		}
		l.values[fk.key], l.where[fk.key] = v, "--"+fk.flag
	}
	return l, problems
}

// merge lays the layers over each other, lowest first, and decodes them into a Config.
func (s *schema) merge(layers ...*layer) (*Config, Origins, error) {
	v := viper.New()
	origins := Origins{}
	for _, set := range s.settings {
		origins[set.key] = "default"
	}
	for _, l := range layers {
		if err := v.MergeConfigMap(nest(l.values)); err != nil {
			return nil, nil, Problems{{Message: err.Error()}}
		}
		for key, where := range l.where {
			origins[key] = where
		}
	}
	cfg := Default()
	// Every value has its type by now; what viper would convert on its own would be a fault of ours.
	err := v.UnmarshalExact(cfg, func(dc *mapstructure.DecoderConfig) {
		dc.WeaklyTypedInput = false
		dc.DecodeHook = nil
		dc.MatchName = func(key, field string) bool { return key == field }
	})
	if err != nil {
		return nil, nil, Problems{{Message: fmt.Sprintf("decode the configuration: %v", err)}}
	}
	if problems := cfg.check(origins); problems != nil {
		return nil, nil, problems
	}
	return cfg, origins, nil
}

// nest turns dotted keys into the tree that viper merges.
func nest(values map[string]any) map[string]any {
	tree := map[string]any{}
	for key, value := range values {
		section, leaf := split(key)
		at := tree
		if section != "" {
			if at, _ = tree[section].(map[string]any); at == nil {
				at = map[string]any{}
				tree[section] = at
			}
		}
		at[leaf] = value
	}
	return tree
}
