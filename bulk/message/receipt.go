package message

// ReceiptMatch is the store's answer to one receipt's lookup.
type ReceiptMatch struct {
	Msg   *Message
	Part  int
	Found bool
}
