package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// List is a contact list.
type List struct {
	ID             string    `json:"list_id"`
	Name           string    `json:"name"`
	Members        int64     `json:"members"`
	Columns        []string  `json:"columns,omitempty"` // values that its members have
	RowsRefused    int64     `json:"rows_refused"`
	DuplicatesSeen int64     `json:"duplicates_seen"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
	Import         *Import   `json:"import,omitempty"` // of this call, or the one under way
}

// Member is a recipient of a campaign, or a member of a list, in its place.
type Member struct {
	Ordinal uint32            `json:"ordinal"` // from 1
	To      string            `json:"to"`
	Values  map[string]string `json:"values,omitempty"`
}

// After says which piece of a list of members is wanted.
type After struct {
	Ordinal uint32 // NextAfter of the page before; 0: from the begin
	Limit   int    // members in one page, 1 to 1,000; 0: 20
}

func (a After) values() url.Values {
	return queryOf("after", number(a.Ordinal), "limit", number(a.Limit))
}

// MemberPage is a piece of a contact list, in its order.
type MemberPage struct {
	Members   []Member `json:"members"`
	NextAfter uint32   `json:"next_after"` // 0: the end
}

// Lists returns the caller's contact lists.
func (c *Client) Lists(ctx context.Context) ([]List, error) {
	all, err := get[struct{ Lists []List }](ctx, c, http.MethodGet, base+"/lists", nil, nil)
	if err != nil {
		return nil, err
	}
	return all.Lists, nil
}

// List returns one, by id or name; not_found.
func (c *Client) List(ctx context.Context, list string) (*List, error) {
	return get[List](ctx, c, http.MethodGet, under("/lists/", list), nil, nil)
}

// CreateList makes an empty list; conflict when the name is taken.
func (c *Client) CreateList(ctx context.Context, name string) (*List, error) {
	body := struct {
		Name string `json:"name"`
	}{name}
	return get[List](ctx, c, http.MethodPost, base+"/lists", nil, body)
}

// DeleteList deletes a list; not_found.
func (c *Client) DeleteList(ctx context.Context, list string) error {
	return c.run(ctx, http.MethodDelete, under("/lists/", list), nil)
}

// MemberPage returns a piece of a list.
func (c *Client) MemberPage(ctx context.Context, list string, a After) (*MemberPage, error) {
	return get[MemberPage](ctx, c, http.MethodGet, under("/lists/", list, "/members"), a.values(), nil)
}

// AddMembers adds up to 100,000 members; more by UploadMembers.
func (c *Client) AddMembers(ctx context.Context, list string, all []Recipient) (*List, error) {
	return get[List](ctx, c, http.MethodPost, under("/lists/", list, "/members"), nil, recipientsBody{Recipients: all})
}

// CopyMembers adds the members of another list, by its id or name.
func (c *Client) CopyMembers(ctx context.Context, list, from string) (*List, error) {
	return get[List](ctx, c, http.MethodPost, under("/lists/", list, "/members"), nil, recipientsBody{List: from})
}

// recipientsBody adds recipients that stand in it, or those of a list.
type recipientsBody struct {
	Recipients []Recipient `json:"recipients,omitempty"`
	List       string      `json:"list,omitempty"`
}

// UploadMembers adds the members of a file, as UploadRecipients does to a campaign; ListErrors has
// the rows that are none.
func (c *Client) UploadMembers(ctx context.Context, list string, up Upload, file io.Reader) (*List, error) {
	return upload[List](ctx, c, under("/lists/", list, "/members"), up, file)
}

// ListErrors returns the rows that were refused, as CSV. The caller closes it.
func (c *Client) ListErrors(ctx context.Context, list string) (io.ReadCloser, error) {
	return c.read(ctx, http.MethodGet, under("/lists/", list, "/errors"))
}
