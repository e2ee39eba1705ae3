package bulk

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"protei-bulk/bulk/account"
	"protei-bulk/bulk/money"
)

// MoneyConfig is what holds for accounts that say nothing else.
type MoneyConfig struct {
	Currency string `yaml:"currency" doc:"currency of accounts that name none, such as EUR"`
	Price    Price  `yaml:"price" doc:"price of a part that neither its route nor its account has one for, such as 0.045"`
}

func (c *MoneyConfig) validate(bad func(key, format string, args ...any)) {
	if n := len(c.Currency); n == 0 || n > account.MaxCurrency || strings.Trim(c.Currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		bad("money.currency", "%q: 1 to %d capital letters and digits", c.Currency, account.MaxCurrency)
	}
	if p := money.Amount(c.Price); p < 0 || p > account.MaxPrice {
		bad("money.price", "%s is outside 0 to %s", p, account.MaxPrice)
	}
}

// Price is a money.Amount in a configuration.
type Price money.Amount

// String returns the decimal number.
func (p Price) String() string { return money.Amount(p).String() }

// MarshalText writes what UnmarshalText reads.
func (p Price) MarshalText() ([]byte, error) { return money.Amount(p).MarshalText() }

// UnmarshalText reads a decimal number with up to six digits behind the point.
func (p *Price) UnmarshalText(b []byte) error { return (*money.Amount)(p).UnmarshalText(b) }

// UnmarshalYAML reads what UnmarshalText reads, and says where it stands when it cannot.
func (p *Price) UnmarshalYAML(node ast.Node) error { return atPlace(node, p.UnmarshalText) }
