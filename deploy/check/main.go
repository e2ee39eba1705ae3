// Command check reads what deploy/ has for Kubernetes and Docker as strictly as their own
// programs would, without an engine or a cluster: fields that do not exist, values of a wrong
// type, and names that lead nowhere are errors. It is a module of its own, so that the
// platform does not depend on what it imports.
//
//	go run . ../kubernetes ../docker/compose.yaml
//
// It prints the settings of the platform that they set and the commands that they run, for a
// check against the platform itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: check KUBERNETES_FOLDER COMPOSE_FILE")
		os.Exit(2)
	}
	err := errors.Join(kubernetes(os.Args[1]), compose(os.Args[2]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// compose loads the file as docker compose config does.
func compose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithEnv([]string{"POSTGRES_PASSWORD=x", "VERSION=x"}))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for name, s := range project.Services {
		for _, v := range s.Volumes {
			if v.Type != "bind" {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				errs = append(errs, fmt.Errorf("%s: service %s mounts what is not there: %w", path, name, err))
			}
		}
		if s.Build != nil {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				errs = append(errs, fmt.Errorf("%s: service %s: %w", path, name, err))
			}
		}
		for key, value := range s.Environment {
			if strings.HasPrefix(key, "PROTEI_BULK_") && value != nil {
				fmt.Println("setting", key)
			}
		}
		if s.Image == "protei-bulk" && len(s.Command) > 0 {
			fmt.Println("command", strings.Join(s.Command, " "))
		}
	}
	return errors.Join(errs...)
}
