package smpp

import "time"

// Rules say how strictly a server takes the values in a peer's messages.
type Rules struct {
	StrictNumbers      bool             // refuse TON and NPI values that the standard does not define
	IgnoreDefaultMsgID bool             // ignore sm_default_msg_id instead of refusing it
	Now                func() time.Time // for times in the past, time.Now by default
}

func (r *Rules) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// validator is a request whose values a server checks. version is the peer's.
type validator interface {
	validate(r *Rules, version byte) error
}

// Validate checks the values of a submit_sm from a peer of the given interface_version,
// as a server does before its handler sees it. The error is a *FieldError.
func (p *SubmitSM) Validate(r *Rules, version byte) error { return p.validate(r, version) }

func (p *SubmitSM) validate(r *Rules, version byte) error {
	v := checker{r: r, cmd: CmdSubmitSM, version: version}
	v.source(&p.Source)
	v.dest(&p.Dest)
	v.flags(p.ESMClass, p.RegisteredDelivery)
	v.priority(p.PriorityFlag)
	v.replace(p.ReplaceIfPresent)
	v.predefined(p.SMDefaultMsgID)
	v.times(p.ScheduleDeliveryTime, p.ValidityPeriod)
	v.options(p.TLVs, p.ESMClass, len(p.ShortMessage))
	return v.failed()
}

func (p *SubmitMulti) validate(r *Rules, version byte) error {
	v := checker{r: r, cmd: CmdSubmitMulti, version: version}
	v.source(&p.Source)
	for i := range p.Dests {
		if len(p.Dests[i].List) == 0 {
			v.dest(&p.Dests[i].Address)
		}
	}
	v.flags(p.ESMClass, p.RegisteredDelivery)
	v.priority(p.PriorityFlag)
	v.replace(p.ReplaceIfPresent)
	v.predefined(p.SMDefaultMsgID)
	v.times(p.ScheduleDeliveryTime, p.ValidityPeriod)
	v.options(p.TLVs, p.ESMClass, len(p.ShortMessage))
	return v.failed()
}

func (p *DataSM) validate(r *Rules, version byte) error {
	v := checker{r: r, cmd: CmdDataSM, version: version}
	v.source(&p.Source)
	v.dest(&p.Dest)
	v.flags(p.ESMClass, p.RegisteredDelivery)
	v.options(p.TLVs, p.ESMClass, 0)
	return v.failed()
}

func (p *ReplaceSM) validate(r *Rules, version byte) error {
	v := checker{r: r, cmd: CmdReplaceSM, version: version}
	v.source(&p.Source)
	v.flags(0, p.RegisteredDelivery)
	v.predefined(p.SMDefaultMsgID)
	v.times(p.ScheduleDeliveryTime, p.ValidityPeriod)
	return v.failed()
}

// checker gathers the first fault of a request.
type checker struct {
	r       *Rules
	cmd     CommandID
	version byte
	err     *FieldError
}

func (v *checker) fail(field string, st Status, reason string) {
	if v.err == nil {
		v.err = &FieldError{Cmd: v.cmd, Field: field, Status: st, Reason: reason}
	}
}

func (v *checker) failed() error {
	if v.err != nil {
		return v.err
	}
	return nil
}

// knownTON and knownNPI: SMPP 3.4 §5.2.5 and §5.2.6.
func knownTON(b byte) bool { return b <= 6 }

func knownNPI(b byte) bool {
	switch b {
	case 0, 1, 3, 4, 6, 8, 9, 10, 14, 18:
		return true
	default:
		return false
	}
}

func (v *checker) source(a *Address) {
	if !v.r.StrictNumbers {
		return
	}
	if !knownTON(a.TON) {
		v.fail("source_addr_ton", RINVSRCTON, "is not defined")
	}
	if !knownNPI(a.NPI) {
		v.fail("source_addr_npi", RINVSRCNPI, "is not defined")
	}
}

func (v *checker) dest(a *Address) {
	if len(a.Addr) == 0 {
		v.fail("destination_addr", RINVDSTADR, "is empty")
	}
	if !v.r.StrictNumbers {
		return
	}
	if !knownTON(a.TON) {
		v.fail("dest_addr_ton", RINVDSTTON, "is not defined")
	}
	if !knownNPI(a.NPI) {
		v.fail("dest_addr_npi", RINVDSTNPI, "is not defined")
	}
}

// flags checks esm_class, of which an ESME may use the acknowledgement types only (§5.2.12),
// and registered_delivery (§5.2.17), whose "success only" is of 5.0.
func (v *checker) flags(esmClass, registered byte) {
	switch esmClass & ESMTypeMask {
	case 0, ESMDeliveryAck, ESMUserAck:
	default:
		v.fail("esm_class", RINVESMCLASS, "has a message type that an ESME does not send")
	}
	if registered&RegisteredMask == RegisteredSuccess && v.version < Version50 {
		v.fail("registered_delivery", RINVREGDLVFLG, "has a reserved value")
	}
}

func (v *checker) priority(p byte) {
	if p > 3 {
		v.fail("priority_flag", RINVPRTFLG, "is above 3")
	}
}

func (v *checker) replace(f byte) {
	if f > 1 {
		v.fail("replace_if_present_flag", RINVREPFLAG, "is above 1")
	}
}

func (v *checker) predefined(id byte) {
	if id != 0 && !v.r.IgnoreDefaultMsgID {
		v.fail("sm_default_msg_id", RINVDFTMSGID, "names no message")
	}
}

// times checks the form of both times, and that validity ends neither before now nor
// before the schedule.
func (v *checker) times(schedule, validity []byte) {
	if len(schedule) == 0 && len(validity) == 0 {
		return
	}
	now := v.r.now()
	begin := now
	if len(schedule) != 0 {
		t, err := ParseTime(schedule, now)
		if err != nil {
			v.fail("schedule_delivery_time", RINVSCHED, err.Error())
			return
		}
		if t.After(begin) {
			begin = t
		}
	}
	if len(validity) == 0 {
		return
	}
	t, err := ParseTime(validity, now)
	switch {
	case err != nil:
		v.fail("validity_period", RINVEXPIRY, err.Error())
	case t.Before(now):
		v.fail("validity_period", RINVEXPIRY, "is in the past")
	case t.Before(begin):
		v.fail("validity_period", RINVEXPIRY, "ends before the schedule")
	}
}

// options checks the optional parameters by themselves and against the rest.
func (v *checker) options(t TLVs, esmClass byte, smLength int) {
	if len(t) == 0 || v.err != nil {
		return
	}
	if v.err = t.validate(v.cmd); v.err != nil {
		return
	}
	if smLength > 0 {
		if _, ok := t.Find(TagMessagePayload); ok {
			v.fail("message_payload", RINVMSGLEN, "comes with a short_message")
		}
	}
	v.segments(t, esmClass)
}

// segments checks sar_*, which take the place of a user data header (item 26 of SMPP.md).
func (v *checker) segments(t TLVs, esmClass byte) {
	_, hasRef := t.FindUint16(TagSarMsgRefNum)
	total, hasTotal := t.FindByte(TagSarTotalSegments)
	seq, hasSeq := t.FindByte(TagSarSegmentSeqnum)
	switch {
	case !hasRef && !hasTotal && !hasSeq:
	case !hasRef || !hasTotal || !hasSeq:
		v.fail("sar_msg_ref_num", RMISSINGOPTPARAM, "comes without sar_total_segments or sar_segment_seqnum, or they without it")
	case esmClass&ESMUDHI != 0:
		v.fail("sar_msg_ref_num", RINVOPTPARAMVAL, "comes with a user data header")
	case total == 0 || seq == 0 || seq > total:
		v.fail("sar_segment_seqnum", RINVOPTPARAMVAL, "is not within sar_total_segments")
	}
}
