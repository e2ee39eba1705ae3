package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"protei-bulk/bulk/intake"
)

// into reads the members of a body into the fields of a struct that have their JSON
// names, and into extra, and returns which were set. Members without a field become
// warnings; an unknown name inside a member is a fault. It is for calls that are not hot.
func (c *call) into(spec any, extra map[string]any) (set map[string]bool, err error) {
	fields := make(map[string]any, len(extra))
	v := reflect.ValueOf(spec).Elem()
	for i := range v.NumField() {
		if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = v.Field(i).Addr().Interface()
		}
	}
	for name, field := range extra {
		fields[name] = field
	}
	set = make(map[string]bool)
	readers := make(map[string]func(string), len(fields))
	for name, field := range fields {
		readers[name] = func(n string) {
			set[n] = true
			c.dec.value(n, field)
		}
	}
	return set, c.object(maxAdminBody, readers)
}

// value reads the next value as encoding/json does.
func (d *decoder) value(name string, into any) {
	d.space()
	from := d.pos
	d.skip()
	if d.err != nil {
		return
	}
	// A map or list replaces the one before. An object that can be cloned is changed in its
	// members (RFC 7396), in a clone: the one before belongs to somebody else.
	target := reflect.ValueOf(into).Elem()
	if clone := target.MethodByName("Clone"); target.Kind() == reflect.Pointer && clone.IsValid() {
		target.Set(clone.Call(nil)[0])
		renew(target, d.text[from:d.pos])
	} else {
		target.SetZero()
	}
	dec := json.NewDecoder(strings.NewReader(d.text[from:d.pos]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		d.faults = append(d.faults, valueFault(name, err))
	}
}

// renew empties the maps and lists of a struct that the members of an object are about to set: encoding/json keeps the
// entries of a map, and what stood in the elements of a list.
func renew(into reflect.Value, object string) {
	for into.Kind() == reflect.Pointer && !into.IsNil() {
		into = into.Elem()
	}
	var members map[string]json.RawMessage
	if into.Kind() != reflect.Struct || json.Unmarshal([]byte(object), &members) != nil {
		return
	}
	for i := range into.NumField() {
		name, _, _ := strings.Cut(into.Type().Field(i).Tag.Get("json"), ",")
		for key, value := range members {
			if !strings.EqualFold(key, name) { // as encoding/json finds them
				continue
			}
			switch f := into.Field(i); f.Kind() {
			case reflect.Map, reflect.Slice:
				f.SetZero()
			case reflect.Pointer:
				renew(f, string(value))
			}
		}
	}
}

func valueFault(name string, err error) intake.Refusal {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		place, what := name, "is a JSON "+wrong.Value
		if number, ok := strings.CutPrefix(wrong.Value, "number "); ok {
			what = "is " + number
		}
		if wrong.Field != "" {
			place += "/" + strings.ReplaceAll(wrong.Field, ".", "/")
			what = wrong.Field + " " + what
		}
		return intake.Refusal{Code: intake.WrongType, Field: name, Pointer: "/" + place, Detail: fmt.Sprintf("%s where %s is needed", what, typeWord(wrong.Type))}
	}
	return intake.Refusal{Code: "invalid_" + intake.Code(name), Field: name, Detail: strings.TrimPrefix(err.Error(), "json: ")}
}

// typeWord names a Go type as JSON's readers do.
func typeWord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

// copyUnset copies the fields of from to into whose JSON names are not in set.
func copyUnset[T any](into, from *T, set map[string]bool) {
	to, src := reflect.ValueOf(into).Elem(), reflect.ValueOf(from).Elem()
	for i := range to.NumField() {
		if name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ","); name != "-" && !set[name] {
			to.Field(i).Set(src.Field(i))
		}
	}
}
