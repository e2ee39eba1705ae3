package api

import "sync"

// WholeDocument is the OpenAPI document of an API that has every call.
func WholeDocument() ([]byte, error) {
	a := everything()
	a.described = sync.OnceValues(a.describe)
	d, err := a.described()
	if err != nil {
		return nil, err
	}
	return d.text, nil
}
