package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// setting is one line of a configuration file.
type setting struct {
	key    string
	values []string
	line   int
}

// fromElsewhere sets the flags that the command line did not: from the environment, then
// --config, ./locust.conf, ./pyproject.toml and ~/.locust.conf, the earlier first.
func (o *loadOptions) fromElsewhere(env *environment, cmd *cobra.Command) error {
	if err := o.fromEnvironment(env, cmd.Flags()); err != nil {
		return err
	}
	if o.config != "" {
		if err := o.fromFile(o.config, cmd); err != nil {
			return err
		}
	}
	if o.fleet.forked {
		return nil // the parent has read them
	}
	files := []string{"locust.conf", "pyproject.toml"}
	if home := env.Getenv("HOME"); home != "" {
		files = append(files, filepath.Join(home, ".locust.conf"))
	}
	for _, name := range files {
		if err := o.fromFile(name, cmd); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if o.headful {
		o.headless = false
	}
	return nil
}

// maxConfig bounds a configuration file.
const maxConfig = 1 << 20

func (o *loadOptions) fromFile(name string, cmd *cobra.Command) error {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return fmt.Errorf("--config: %w", err)
	case info.IsDir(), info.Size() > maxConfig:
		return fmt.Errorf("--config: %s is no configuration file", name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	var settings []setting
	if strings.EqualFold(filepath.Ext(name), ".toml") {
		settings, err = parseTOML(string(text), "tool.locust")
	} else {
		settings, err = parseConf(string(text))
	}
	if err != nil {
		return fmt.Errorf("%s:%w", name, err)
	}
	return o.apply(name, settings, cmd)
}

// apply sets the flags that were not set before this file.
func (o *loadOptions) apply(name string, settings []setting, cmd *cobra.Command) error {
	flags := cmd.Flags()
	before := map[string]bool{}
	flags.Visit(func(f *pflag.Flag) { before[f.Name] = true })
	var errs []error
	for _, s := range settings {
		key := strings.ReplaceAll(strings.TrimLeft(s.key, "-"), "_", "-")
		if key == "user-classes" {
			if len(o.classes) == 0 {
				o.classes = s.values
			}
			continue
		}
		f := flags.Lookup(key)
		if f == nil || f.Annotations[private] != nil || key == "help" || key == "config" {
			text := fmt.Sprintf("%s:%d: there is no flag --%s", name, s.line, key)
			if near := nearestFlag(cmd, key); near != "" {
				text += ", did you mean " + near + "?"
			}
			errs = append(errs, errors.New(text))
			continue
		}
		if before[key] {
			continue
		}
		for _, v := range s.values {
			if err := setFlag(flags, f, v); err != nil {
				errs = append(errs, fmt.Errorf("%s:%d: %s: %w", name, s.line, s.key, err))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// setFlag also takes the words for true and false that configuration files use.
func setFlag(flags *pflag.FlagSet, f *pflag.Flag, value string) error {
	if f.Value.Type() == "bool" {
		switch strings.ToLower(value) {
		case "yes", "on", "":
			value = "true"
		case "no", "off":
			value = "false"
		}
	}
	return flags.Set(f.Name, value)
}

// parseConf reads lines of `key = value`, `key: value` or `key value`, lists as [a, b];
// # and ; begin a comment, section headings are passed over, a key alone is true.
func parseConf(text string) ([]setting, error) {
	var out []setting
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.ContainsRune("#;[", rune(line[0])) || line == "---" {
			continue
		}
		at := strings.IndexAny(line, "=: \t")
		s := setting{key: line, values: []string{"true"}, line: n + 1}
		if at >= 0 {
			s.key = strings.TrimSpace(line[:at])
			value := strings.TrimSpace(line[at:])
			if value != "" && strings.ContainsRune("=:", rune(value[0])) {
				value = strings.TrimSpace(value[1:])
			}
			s.values = confValues(uncommented(value))
		}
		if s.key == "" {
			return nil, fmt.Errorf("%d: want key = value", s.line)
		}
		out = append(out, s)
	}
	return out, nil
}

// uncommented cuts a comment off that follows a blank, but not inside quotes.
func uncommented(value string) string {
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
			return value[:end+2]
		}
	}
	for _, mark := range []string{" #", "\t#", " ;", "\t;"} {
		value, _, _ = strings.Cut(value, mark)
	}
	return strings.TrimSpace(value)
}

func confValues(value string) []string {
	if strings.HasPrefix(value, "[{") || !strings.HasPrefix(value, "[") || !strings.HasSuffix(value, "]") {
		return []string{unquote(value)}
	}
	var out []string
	for item := range strings.SplitSeq(value[1:len(value)-1], ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, unquote(item))
		}
	}
	return out
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// fromEnvironment sets the flags that were not given from our own variables and LOCUST_*.
func (o *loadOptions) fromEnvironment(env *environment, flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Annotations[private] != nil || f.Name == "help" || f.Name == "version" {
			return
		}
		for _, name := range envNames(f.Name) {
			value := env.Getenv(name)
			if value == "" {
				continue
			}
			if err := setFlag(flags, f, value); err != nil {
				errs = append(errs, fmt.Errorf("%s=%s: %w", name, strconv.Quote(masked(f.Name, value)), err))
			}
			return
		}
	})
	if classes := env.Getenv("LOCUST_USER_CLASSES"); len(o.classes) == 0 && classes != "" {
		o.classes = strings.FieldsFunc(classes, func(r rune) bool { return r == ',' || r == ' ' })
	}
	return errors.Join(errs...)
}

// envNames are the variables of a flag, the first that is set counts.
func envNames(flag string) []string {
	name := strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	locust := name
	switch flag { // Locust's names that do not follow from the flag's
	case "master", "worker":
		locust = "MODE_" + name
	case "master-host", "master-port":
		locust = strings.Replace(name, "MASTER_", "MASTER_NODE_", 1)
	case "class-picker":
		locust = "USERCLASS_PICKER"
	case "otel":
		locust = "ENABLE_OPENTELEMETRY"
	}
	return []string{"PROTEI_BULK_LOAD_" + name, "LOCUST_" + locust}
}
