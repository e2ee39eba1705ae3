package api

import (
	"io"
	"strings"

	"protei-bulk/bulk/contact"
)

// listView is a contact list as the API shows it.
type listView struct {
	ListID      string      `json:"list_id"`
	Name        string      `json:"name"`
	Members     uint32      `json:"members"`
	RefusedRows uint32      `json:"rows_refused"`
	Repeated    uint32      `json:"duplicates_seen"`
	Columns     []string    `json:"columns,omitempty"`
	CreatedAt   string      `json:"created_at"`
	UpdatedAt   string      `json:"updated_at"`
	Import      *importView `json:"import,omitempty"` // of this call
}

func viewList(l *contact.List) listView {
	return listView{
		ListID: l.ID.String(), Name: l.Name, Members: l.Added, RefusedRows: l.Refused, Repeated: l.Repeated, Columns: l.Columns,
		CreatedAt: timeOrEmpty(l.CreatedAt), UpdatedAt: timeOrEmpty(l.UpdatedAt),
	}
}

// listPaths are the calls of contact lists; {list} is an id or a name.
func (a *API) listPaths() {
	type methods = map[string]func(*call) error
	a.on("/api/v1/lists", customers, methods{"GET": (*call).allLists, "POST": (*call).createList})
	a.on("/api/v1/lists/{list}", customers, methods{"GET": (*call).getList, "DELETE": (*call).deleteList})
	a.on("/api/v1/lists/{list}/members", customers, methods{"GET": (*call).listMembers, "POST": (*call).addMembers})
	a.on("/api/v1/lists/{list}/errors", customers, methods{"GET": (*call).listErrors})
}

func (c *call) list() (contact.List, error) {
	return c.api.opts.Lists.Find(c.r.Context(), c.who.ID, c.r.PathValue("list"))
}

func (c *call) allLists() error {
	all := c.api.opts.Lists.Of(c.who.ID)
	views := make([]listView, len(all))
	for i := range all {
		views[i] = viewList(&all[i])
	}
	return c.document(200, map[string]any{"lists": views})
}

func (c *call) createList() error {
	name := ""
	if err := c.object(maxSingleBody, map[string]func(string){"name": func(n string) { c.dec.string(n, &name) }}); err != nil {
		return err
	}
	made, err := c.api.opts.Lists.Create(c.r.Context(), c.who.ID, strings.Clone(name))
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/api/v1/lists/"+made.ID.String())
	return c.document(201, viewList(&made))
}

func (c *call) getList() error {
	found, err := c.list()
	if err != nil {
		return err
	}
	return c.document(200, viewList(&found))
}

func (c *call) deleteList() error {
	if err := c.api.opts.Lists.Delete(c.r.Context(), c.who.ID, c.r.PathValue("list")); err != nil {
		return err
	}
	c.w.WriteHeader(204)
	return nil
}

func (c *call) listMembers() error {
	found, err := c.list()
	if err != nil {
		return err
	}
	after, limit, err := memberQuery(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	members, err := c.api.opts.Lists.Members(c.r.Context(), &found, after, limit)
	if err != nil {
		return err
	}
	return c.document(200, memberPage("members", members, found.Columns, after, limit))
}

func (c *call) addMembers() error {
	up, err := c.uploaded()
	defer c.uploadDone()
	if err != nil {
		return err
	}
	defer up.Reader.Close()
	p := new(contact.Progress)
	changed, err := c.api.opts.Lists.Add(c.r.Context(), c.who.ID, c.r.PathValue("list"), &contact.Source{
		Reader: up.Reader, Header: up.Header, To: up.To, Map: up.Map, KeepDuplicates: up.Duplicates == "keep",
	}, p)
	if err != nil {
		return err
	}
	view := viewList(&changed)
	view.Import = &importView{
		State: "DONE", Name: up.Name, Rows: p.Rows.Load(), Added: p.Added.Load(), Refused: p.Refused.Load(), Duplicates: p.Duplicates.Load(),
	}
	return c.document(200, view)
}

func (c *call) listErrors() error {
	found, err := c.list()
	if err != nil {
		return err
	}
	return c.errorFile("list-"+found.ID.String(), func(w io.Writer) error {
		return c.api.opts.Lists.WriteErrors(c.r.Context(), &found, w)
	})
}
