package smsc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"protei-bulk/internal/nearest"
	"protei-bulk/smpp"
)

// Behaviour is what the simulator does with messages. The zero value is a quick and
// perfect SMSC: every message accepted and delivered at once, a receipt for each that
// asks for one, hexadecimal ids. Decisions are drawn from Seed, the message and how
// often it has come, so that a run with the same messages repeats them.
type Behaviour struct {
	Latency         Delay    `json:"latency"`
	Errors          ErrorMix `json:"errors"`
	TPS             int      `json:"tps"`
	ResponseLoss    Share    `json:"response_loss"`
	DisconnectAfter int      `json:"disconnect_after"`
	DisconnectShare Share    `json:"disconnect_share"`
	RefuseBinds     bool     `json:"refuse_binds"`

	ReceiptDelay           Delay       `json:"receipt_delay"`
	Receipts               ReceiptMix  `json:"receipts"`
	ReceiptLoss            Share       `json:"receipt_loss"`
	ReceiptDuplicates      Share       `json:"receipt_duplicates"`
	ReceiptsBeforeResponse Share       `json:"receipts_before_response"`
	ReceiptsOtherBind      Share       `json:"receipts_other_bind"`
	ReceiptsUnknownID      Share       `json:"receipts_unknown_id"`
	ReceiptForm            ReceiptForm `json:"receipt_form"`

	IDFormat        IDFormat `json:"id_format"`
	ReceiptIDFormat IDFormat `json:"receipt_id_format"`

	Seed uint64 `json:"seed"`
}

// IDFormat is how a message id is written. The zero value is hexadecimal in responses
// and, in receipts, the response's format.
type IDFormat uint8

// The formats.
const (
	DefaultID IDFormat = iota
	HexID
	DecimalID
)

// ReceiptForm says where a receipt carries its facts.
type ReceiptForm uint8

// The forms.
const (
	TextAndTLVs ReceiptForm = iota // SMPP 3.4 appendix B text, and optional parameters
	TextOnly
	TLVsOnly
)

var (
	idFormats    = []string{"", "hex", "dec"}
	receiptForms = []string{"both", "text", "tlv"}
)

// MarshalText returns hex, dec or nothing.
func (f IDFormat) MarshalText() ([]byte, error) { return []byte(idFormats[f]), nil }

// MarshalText returns both, text or tlv.
func (f ReceiptForm) MarshalText() ([]byte, error) { return []byte(receiptForms[f]), nil }

// Field is one setting of a Behaviour by its name in JSON.
type Field struct {
	Name string
	Kind string // what its text looks like: delay, share, mix, count, bool or name
	Doc  string // what it does, with its unit and an example
	set  func(b *Behaviour, text string) error
	get  func(b *Behaviour) string
}

// Set changes the field in b; the error says what it should look like.
func (f *Field) Set(b *Behaviour, text string) error { return f.set(b, text) }

// Value returns the field of b as text.
func (f *Field) Value(b *Behaviour) string { return f.get(b) }

// Fields returns every setting, in the order of the struct.
func Fields() []Field {
	return []Field{
		value("latency", "delay", "wait before each answer: 20ms, 5ms-50ms, exp:50ms, normal:50ms,10ms", ParseDelay,
			func(b *Behaviour) *Delay { return &b.Latency }),
		value("errors", "mix", "shares of submits refused: RTHROTTLED=1%,RSYSERR=0.5%", ParseErrorMix,
			func(b *Behaviour) *ErrorMix { return &b.Errors }),
		value("tps", "count", "submits a second over all binds before ESME_RTHROTTLED; 0: no limit", parseCount,
			func(b *Behaviour) *int { return &b.TPS }),
		value("response_loss", "share", "share of messages taken but never answered", ParseShare,
			func(b *Behaviour) *Share { return &b.ResponseLoss }),
		value("disconnect_after", "count", "submits on a bind before it is cut, the last one taken but not answered; 0: never", parseCount,
			func(b *Behaviour) *int { return &b.DisconnectAfter }),
		value("disconnect_share", "share", "share of submits that are taken and cut the bind instead of an answer", ParseShare,
			func(b *Behaviour) *Share { return &b.DisconnectShare }),
		value("refuse_binds", "bool", "answer every bind ESME_RBINDFAIL", parseBool,
			func(b *Behaviour) *bool { return &b.RefuseBinds }),
		value("receipt_delay", "delay", "wait between answer and receipt, as latency; 0: at once", ParseDelay,
			func(b *Behaviour) *Delay { return &b.ReceiptDelay }),
		value("receipts", "mix", "shares of final states other than DELIVRD: UNDELIV=2%,EXPIRED=1%", ParseReceiptMix,
			func(b *Behaviour) *ReceiptMix { return &b.Receipts }),
		value("receipt_loss", "share", "share of receipts that are never sent", ParseShare,
			func(b *Behaviour) *Share { return &b.ReceiptLoss }),
		value("receipt_duplicates", "share", "share of receipts that are sent twice", ParseShare,
			func(b *Behaviour) *Share { return &b.ReceiptDuplicates }),
		value("receipts_before_response", "share", "share of receipts sent before the submit is answered", ParseShare,
			func(b *Behaviour) *Share { return &b.ReceiptsBeforeResponse }),
		value("receipts_other_bind", "share", "share of receipts sent on another bind of the system_id when there is one", ParseShare,
			func(b *Behaviour) *Share { return &b.ReceiptsOtherBind }),
		value("receipts_unknown_id", "share", "share of messages that cause one more receipt, for an id never given", ParseShare,
			func(b *Behaviour) *Share { return &b.ReceiptsUnknownID }),
		value("receipt_form", "name", "where receipts carry their facts: both, text or tlv", oneOf[ReceiptForm](receiptForms),
			func(b *Behaviour) *ReceiptForm { return &b.ReceiptForm }),
		value("id_format", "name", "message ids: hex or dec", oneOf[IDFormat](idFormats),
			func(b *Behaviour) *IDFormat { return &b.IDFormat }),
		value("receipt_id_format", "name", "message ids in receipts when they differ: hex or dec", oneOf[IDFormat](idFormats),
			func(b *Behaviour) *IDFormat { return &b.ReceiptIDFormat }),
		value("seed", "count", "number that all decisions are drawn from", parseSeed,
			func(b *Behaviour) *uint64 { return &b.Seed }),
	}
}

func value[T any](name, kind, doc string, parse func(string) (T, error), at func(*Behaviour) *T) Field {
	return Field{
		Name: name, Kind: kind, Doc: doc,
		set: func(b *Behaviour, text string) error {
			v, err := parse(text)
			if err == nil {
				*at(b) = v
			}
			return err
		},
		get: func(b *Behaviour) string {
			if m, ok := any(*at(b)).(interface{ MarshalText() ([]byte, error) }); ok {
				text, _ := m.MarshalText()
				return string(text)
			}
			return fmt.Sprint(*at(b))
		},
	}
}

func parseBool(text string) (bool, error) {
	v, err := strconv.ParseBool(text)
	if err != nil {
		err = fmt.Errorf("%q is not true or false", text)
	}
	return v, err
}

func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	const most = 1_000_000_000
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%q is not a whole number from 0 to %d", text, most)
	}
	return n, nil
}

func parseSeed(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number from 0 to 2^64-1", text)
	}
	return n, nil
}

func oneOf[T ~uint8](names []string) func(string) (T, error) {
	return func(text string) (T, error) {
		if i := slices.Index(names, strings.ToLower(text)); i >= 0 {
			return T(i), nil
		}
		return 0, fmt.Errorf("%q is not one of %s", text, strings.Join(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" }), ", "))
	}
}

// FieldError says what is wrong with one setting.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Detail }

// Patch changes the settings that a JSON object names. On error, which joins a
// *FieldError for each mistake, b is left as it was.
func (b *Behaviour) Patch(object []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(object, &raw); err != nil {
		return fmt.Errorf("behaviour is not a JSON object: %w", err)
	}
	changed := *b
	var errs []error
	for _, f := range Fields() {
		v, ok := raw[f.Name]
		if !ok {
			continue
		}
		delete(raw, f.Name)
		text := string(v)
		if text[0] == '"' {
			_ = json.Unmarshal(v, &text)
		}
		if err := f.set(&changed, text); err != nil {
			errs = append(errs, &FieldError{f.Name, err.Error()})
		}
	}
	var known []string
	for _, f := range Fields() {
		known = append(known, f.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		errs = append(errs, &FieldError{name, "unknown setting" + nearest.Meant(name, known)})
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	*b = changed
	return nil
}

// Validate reports everything that is wrong, as a join of *FieldError.
func (b *Behaviour) Validate() error {
	var errs []error
	for _, f := range Fields() {
		again := Behaviour{}
		if err := f.set(&again, f.get(b)); err != nil {
			errs = append(errs, &FieldError{f.Name, err.Error()})
		}
	}
	return errors.Join(errs...)
}

// finalStates are the states of SMPP 3.4 appendix B that end a message.
var finalStates = map[string]smpp.MessageState{
	"DELIVRD": smpp.StateDelivered, "EXPIRED": smpp.StateExpired, "DELETED": smpp.StateDeleted,
	"UNDELIV": smpp.StateUndeliverable, "UNKNOWN": smpp.StateUnknown, "REJECTD": smpp.StateRejected,
}
