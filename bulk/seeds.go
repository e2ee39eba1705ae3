package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"protei-bulk/bulk/connector"
	"protei-bulk/bulk/route"
)

// Seeds are what an empty store begins with: lines of text, or sections of the YAML file,
// which are kept as JSON.
type Seeds []string

// UnmarshalYAML reads a list of texts and sections.
func (s *Seeds) UnmarshalYAML(node ast.Node) error {
	if node.Type() == ast.NullType {
		return nil
	}
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		at := node.GetToken().Position
		return fmt.Errorf("[%d:%d] a list is needed", at.Line, at.Column)
	}
	all := make(Seeds, 0, len(list.Values))
	for _, item := range list.Values {
		at := item.GetToken().Position
		var v any
		if err := yaml.NodeToValue(item, &v); err != nil {
			return fmt.Errorf("[%d:%d] %w", at.Line, at.Column, err)
		}
		text, plain := v.(string)
		if !plain {
			encoded, err := json.Marshal(v)
			if err != nil || encoded[0] != '{' {
				return fmt.Errorf("[%d:%d] a text or a section is needed", at.Line, at.Column)
			}
			text = string(encoded)
		}
		all = append(all, text)
	}
	*s = all
	return nil
}

// redacted hides the passwords in it.
func (s Seeds) redacted() Seeds {
	if s == nil {
		return nil
	}
	all := make(Seeds, len(s))
	for i, text := range s {
		all[i] = redactAll([]string{text})[0]
		var section map[string]any
		if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &section) != nil {
			continue
		}
		for _, name := range []string{"password", "callback_secret", "outbind_password"} {
			if section[name] != nil {
				section[name] = "xxxxx"
			}
		}
		if address, ok := section["url"].(string); ok {
			section["url"] = redactURL(address)
		}
		if out, err := json.Marshal(section); err == nil {
			all[i] = string(out)
		}
	}
	return all
}

// strictly decodes JSON over into; an unknown name is an error.
func strictly(text string, into any) error {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// connectorSeed is a connector of the configuration.
type connectorSeed struct {
	connector.Spec
	Password        string `json:"password"`
	CallbackSecret  string `json:"callback_secret"`
	OutbindPassword string `json:"outbind_password"`
	URL             string `json:"url"`
}

// parseConnector reads name=URL, or the settings of REST as JSON.
func parseConnector(text string) (connector.Spec, error) {
	if !strings.HasPrefix(text, "{") {
		name, address, ok := strings.Cut(text, "=")
		if !ok || strings.Contains(name, "://") {
			return connector.Spec{}, errors.New("each is name=smpp://system_id:password@host:port?…, or a section with the settings of REST")
		}
		return connector.FromURL(name, address)
	}
	seed := connectorSeed{Spec: connector.Defaults()}
	if err := strictly(text, &seed); err != nil {
		return connector.Spec{}, err
	}
	if seed.URL != "" {
		from, err := connector.FromURL(seed.Name, seed.URL)
		if err != nil {
			return connector.Spec{}, err
		}
		seed = connectorSeed{Spec: from, Password: from.Password}
		if err := strictly(text, &seed); err != nil {
			return connector.Spec{}, err
		}
	}
	spec := seed.Spec
	spec.Password, spec.CallbackSecret, spec.OutbindPassword = seed.Password, seed.CallbackSecret, seed.OutbindPassword
	if err := spec.Validate(); err != nil {
		return spec, fmt.Errorf("connector %s: %w", spec.Name, err)
	}
	return spec, nil
}

func (p *Platform) seedConnectors(ctx context.Context) error {
	for _, text := range p.cfg.Connectors {
		spec, err := parseConnector(text)
		if err == nil {
			_, err = p.connector.Create(ctx, spec)
		}
		if err != nil {
			return fmt.Errorf("setting connectors: %w", err)
		}
	}
	return nil
}

// parseRoute reads a rule as REST takes it.
func parseRoute(text string) (route.Rule, error) {
	rule := route.Rule{Strategy: route.Failover}
	if !strings.HasPrefix(text, "{") {
		return rule, errors.New("each is a section such as {name: all, targets: [{connector: op1}]}")
	}
	if err := strictly(text, &rule); err != nil {
		return rule, err
	}
	if err := rule.Validate(); err != nil {
		return rule, fmt.Errorf("route %s: %w", rule.Name, err)
	}
	return rule, nil
}

// checkSeeds looks whether each can be read.
func checkSeeds[T any](seeds Seeds, parse func(string) (T, error)) error {
	var errs []error
	for _, text := range seeds {
		if _, err := parse(text); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
