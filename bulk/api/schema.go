package api

import (
	"encoding"
	"encoding/json"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"protei-bulk/bulk/money"
)

// schema is a JSON Schema (2020-12) as OpenAPI 3.1 has it.
type schema = map[string]any

// shape describes an object that has no Go type: what stands for the members is a value of
// their type, an enum, a shape or nullable. A name that ends in "?" need not be there.
type shape map[string]any

// enum is a string that is one of these.
type enum []string

// nullable is a value of this type, or null.
type nullable struct{ of any }

// schemas makes schemas of Go types; those of structs with a name are kept as components.
type schemas struct {
	components map[string]any
	owner      map[string]reflect.Type // by component
}

func newSchemas() *schemas {
	return &schemas{components: map[string]any{}, owner: map[string]reflect.Type{}}
}

// of returns the schema of what a value like v is in JSON. What is read (input) needs none of
// its members unless a shape says so; what is written has all but those with omitempty.
func (s *schemas) of(v any, input bool) schema {
	switch v := v.(type) {
	case shape:
		properties, required := schema{}, []string{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			plain, optional := strings.CutSuffix(name, "?")
			if properties[plain] = s.of(v[name], input); !optional {
				required = append(required, plain)
			}
		}
		return object(properties, required)
	case enum:
		return schema{"type": "string", "enum": []string(v)}
	case nullable:
		return orNull(s.of(v.of, input))
	case []shape:
		return schema{"type": "array", "items": s.of(v[0], input)}
	}
	return s.ofType(reflect.TypeOf(v), input)
}

func object(properties schema, required []string) schema {
	made := schema{"type": "object", "properties": properties}
	if len(required) > 0 {
		made["required"] = required
	}
	return made
}

func orNull(s schema) schema {
	if kind, ok := s["type"].(string); ok && s["enum"] == nil {
		s["type"] = []string{kind, "null"}
		return s
	}
	return schema{"anyOf": []any{s, schema{"type": "null"}}}
}

func (s *schemas) ofType(t reflect.Type, input bool) schema {
	switch t {
	case reflect.TypeFor[time.Time]():
		return schema{"type": "string", "format": "date-time"}
	case reflect.TypeFor[money.Amount]():
		return schema{"type": "number", "description": "an exact decimal number"}
	case reflect.TypeFor[json.RawMessage]():
		return schema{}
	}
	if t.Kind() != reflect.Pointer && t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return schema{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.ofType(t.Elem(), input)
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return schema{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return schema{"type": "number"}
	case reflect.Slice, reflect.Array:
		return schema{"type": "array", "items": s.ofType(t.Elem(), input)}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": s.ofType(t.Elem(), input)}
	case reflect.Struct:
		return s.component(t, input)
	default:
		return schema{} // an interface: anything
	}
}

// component returns a reference to the schema of a struct, and makes it when it is the first.
func (s *schemas) component(t reflect.Type, input bool) schema {
	name := strings.TrimSuffix(t.Name(), "View")
	name = strings.ToUpper(name[:1]) + name[1:]
	if input {
		name += "Input"
	}
	if other := s.owner[name]; other != nil && other != t {
		of := path.Base(t.PkgPath())
		name = strings.ToUpper(of[:1]) + of[1:] + name
	}
	reference := schema{"$ref": "#/components/schemas/" + name}
	if s.owner[name] == t {
		return reference
	}
	s.owner[name] = t
	properties, required := schema{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("json")
		member, options, _ := strings.Cut(tag, ",")
		if !f.IsExported() || member == "-" || f.Anonymous && member == "" {
			continue
		}
		if member == "" {
			member = f.Name
		}
		made, omitted := s.ofType(f.Type, input), strings.Contains(options, "omit")
		if !omitted && !input && (f.Type.Kind() == reflect.Pointer || f.Type.Kind() == reflect.Map) || input && f.Type.Kind() == reflect.Pointer {
			made = orNull(made)
		}
		properties[member] = made
		if !omitted && !input {
			required = append(required, member)
		}
	}
	s.components[name] = object(properties, required)
	return reference
}
