// Command sbom judges a bill of materials against the program that it is of: the JSON schema
// of CycloneDX 1.6, the digest of the program, and that its components are the modules that
// the linker wrote into the program and the standard library, no more and no less. It is a
// module of its own, so that the platform does not depend on what it imports.
//
//	go run . BILL PROGRAM
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom BILL PROGRAM")
		os.Exit(2)
	}
	n, err := judge(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	fmt.Printf("bill of materials: %d components, as the program has them\n", n)
}

// judge returns how many components the bill has, or everything that is wrong with it.
func judge(bill, program string) (int, error) {
	raw, err := os.ReadFile(bill)
	if err != nil {
		return 0, err
	}
	if err := schema(raw); err != nil {
		return 0, err
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(raw), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		return 0, err
	}
	if bom.Metadata == nil || bom.Metadata.Component == nil || bom.Metadata.Properties == nil || bom.Components == nil {
		return 0, errors.New("metadata or components are missing")
	}
	return len(*bom.Components), errors.Join(digest(bom, program), components(bom, program))
}

// schema finds the schemas in the module that declares them; they name one another by URLs,
// none of which is fetched.
func schema(raw []byte) error {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		return fmt.Errorf("where is the schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	for url, file := range map[string]string{
		"http://cyclonedx.org/schema/bom-1.6.schema.json":  "bom-1.6.schema.json",
		"http://cyclonedx.org/schema/spdx.schema.json":     "spdx.schema.json",
		"http://cyclonedx.org/schema/jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema", file))
		if err != nil {
			return err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := c.AddResource(url, doc); err != nil {
			return err
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		return err
	}
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return err
	}
	return s.Validate(doc)
}

// digest compares the SHA-256 of the program with that in the bill.
func digest(bom cdx.BOM, program string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	for _, p := range *bom.Metadata.Properties {
		if p.Name == "cdx:gomod:binary:hash:SHA-256" && p.Value == hex.EncodeToString(sum[:]) {
			return nil
		}
	}
	return errors.New("it is the bill of another program: its SHA-256 differs")
}

// components compares what is listed with the program's own build information.
func components(bom cdx.BOM, program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	want := map[string]string{"std": info.GoVersion}
	arch := ""
	for _, s := range info.Settings {
		if s.Key == "GOARCH" {
			arch = s.Value
		}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		want[m.Path] = m.Version
	}
	var errs []error
	if main := bom.Metadata.Component; main.Name != info.Main.Path || !strings.Contains(main.PackageURL, "goarch="+arch) {
		errs = append(errs, fmt.Errorf("it is of %s, the program is %s for %s", main.PackageURL, info.Main.Path, arch))
	}
	for _, c := range *bom.Components {
		switch version, ok := want[c.Name]; {
		case !ok:
			errs = append(errs, fmt.Errorf("%s is listed and not in the program", c.Name))
		case version != c.Version:
			errs = append(errs, fmt.Errorf("%s is listed as %s, the program has %s", c.Name, c.Version, version))
		case !strings.HasPrefix(c.PackageURL, "pkg:golang/"+c.Name+"@"+version):
			errs = append(errs, fmt.Errorf("%s %s has the address %s", c.Name, version, c.PackageURL))
		}
		delete(want, c.Name)
	}
	for name := range want {
		errs = append(errs, fmt.Errorf("%s is in the program and not listed", name))
	}
	return errors.Join(errs...)
}
