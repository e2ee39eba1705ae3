package bulk

// SMPPAddr returns the address of the SMPP server, valid after Start; "" when it is off.
func (p *Platform) SMPPAddr() string { return "" }
