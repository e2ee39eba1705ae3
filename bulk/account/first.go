package account

import "context"

// What the dev mode offers to anybody who reaches the loopback address.
const (
	DevName     = "dev"
	DevAPIKey   = "dev-api-key"
	DevPassword = "devpass1"
	AdminName   = "admin"
)

// EnsureDev creates the account dev (an admin, with DevAPIKey and DevPassword) unless it
// exists, and lets requests without credentials act as it.
func (d *Directory) EnsureDev(ctx context.Context) (*Account, error) {
	a := d.ByName(DevName)
	if a == nil {
		spec := Spec{Name: DevName, Role: Admin, SystemID: DevName}
		created, _, err := d.create(ctx, spec, Secrets{APIKey: DevAPIKey, Password: DevPassword})
		if err != nil {
			return nil, err
		}
		a = created
	}
	d.anon.Store(a)
	return a, nil
}

// EnsureAdmin creates the account admin when the store holds no account at all, and
// returns its secrets to be shown once. created tells whether it did.
func (d *Directory) EnsureAdmin(ctx context.Context) (s Secrets, created bool, err error) {
	if len(d.Snapshot().byID) > 0 {
		return Secrets{}, false, nil
	}
	_, s, err = d.Create(ctx, Spec{Name: AdminName, Role: Admin, SystemID: AdminName}, "")
	return s, err == nil, err
}

// ResetAdmin gives the account admin a new API key (revoking its others) and a new
// password, enables it, and creates it when it is missing.
func (d *Directory) ResetAdmin(ctx context.Context) (Secrets, error) {
	a := d.ByName(AdminName)
	if a == nil {
		_, s, err := d.Create(ctx, Spec{Name: AdminName, Role: Admin, SystemID: AdminName}, "")
		return s, err
	}
	for _, k := range d.Snapshot().Keys(a.ID) {
		if err := d.RevokeKey(ctx, a.ID, k.Prefix); err != nil {
			return Secrets{}, err
		}
	}
	_, err := d.Update(ctx, a.ID, func(s *Spec) {
		s.Role, s.Disabled = Admin, false
		if s.SystemID == "" {
			s.SystemID = AdminName
		}
	})
	if err != nil {
		return Secrets{}, err
	}
	password, err := d.SetPassword(ctx, a.ID, "")
	if err != nil {
		return Secrets{}, err
	}
	_, key, err := d.NewKey(ctx, a.ID, KeySpec{Name: "reset"})
	return Secrets{APIKey: key, Password: password}, err
}
