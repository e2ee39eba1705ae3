package smpp_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"protei-bulk/smpp"
	"protei-bulk/smpp/smpptest"
)

func TestFraming(t *testing.T) {
	_, addr := serve(t, smpp.ServerOptions{Handler: accepting})
	bind := smpptest.Encode(t, smpp.Header{Seq: 1}, &smpp.BindReq{SystemID: []byte("esme"), InterfaceVersion: 0x34})

	t.Run("item 1: one octet at a time", func(t *testing.T) {
		p := smpptest.Dial(t, addr)
		for i := range bind {
			p.SendRaw(bind[i : i+1])
		}
		p.Expect(smpp.CmdBindTransceiverResp, smpp.ROK, 1)
		submit := smpptest.Encode(t, smpp.Header{Seq: 2}, sampleSubmit())
		for i := range submit {
			p.SendRaw(submit[i : i+1])
		}
		p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, 2)
	})
	t.Run("item 1: many in one write", func(t *testing.T) {
		p := smpptest.Dial(t, addr)
		all := bytes.Clone(bind)
		const n = 500
		for seq := uint32(2); seq < 2+n; seq++ {
			all = append(all, smpptest.Encode(t, smpp.Header{Seq: seq}, sampleSubmit())...)
		}
		p.SendRaw(all)
		p.Expect(smpp.CmdBindTransceiverResp, smpp.ROK, 1)
		for seq := uint32(2); seq < 2+n; seq++ {
			p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, seq)
		}
	})
	t.Run("item 1: PDU longer than the read buffer", func(t *testing.T) {
		p := smpptest.Dial(t, addr)
		p.Bind(smpp.Transceiver, "esme", "")
		for range 3 {
			seq := p.Request(&smpp.SubmitSM{Dest: smpp.Address{Addr: []byte("79")}, TLVs: smpp.TLVs{}.Append(smpp.TagMessagePayload, make([]byte, 65535))})
			p.Expect(smpp.CmdSubmitSMResp, smpp.ROK, seq)
			p.Expect(smpp.CmdEnquireLinkResp, smpp.ROK, p.Request(&smpp.EnquireLink{}))
		}
	})
	for name, length := range map[string]uint32{
		"item 2: command_length 0": 0, "item 2: command_length 15": 15,
		"item 3: command_length above the limit": smpp.DefaultMaxPDU + 1, "item 3: command_length 0xFFFFFFFF": 0xFFFFFFFF,
	} {
		t.Run(name, func(t *testing.T) {
			p := smpptest.Dial(t, addr)
			p.Bind(smpp.Transceiver, "esme", "")
			p.SendRaw(append(binary.BigEndian.AppendUint32(nil, length), make([]byte, 12)...))
			p.ExpectHeaderOnly(smpp.CmdGenericNack, smpp.RINVCMDLEN, 0)
			p.ExpectClosed()
		})
	}
	for name, garbage := range map[string]string{
		"item 4: HTTP": "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "item 4: HTTP answer": "HTTP/1.1 400 Bad Request\r\n\r\n", "item 4: AMQP": "AMQP\x00\x00\x09\x01",
		"item 4: RDP": "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", "item 4: TLS hello": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	} {
		t.Run(name, func(t *testing.T) {
			p := smpptest.Dial(t, addr)
			p.SendRaw([]byte(garbage))
			p.ExpectHeaderOnly(smpp.CmdGenericNack, smpp.RINVCMDLEN, 0)
			p.ExpectClosed()
		})
	}
}

// A peer that claims a long PDU on each of many connections costs a small buffer each.
func TestClaimedLengthIsNotAllocated(t *testing.T) {
	t.Run("item 3: memory of 200 connections", func(t *testing.T) {
		_, addr := serve(t, smpp.ServerOptions{Handler: accepting, Session: smpp.SessionOptions{MaxPDU: 64 << 20}})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range 200 {
			p := smpptest.Dial(t, addr)
			p.Bind(smpp.Transceiver, "esme", "")
			p.SendRaw(append(binary.BigEndian.AppendUint32(nil, 64<<20), make([]byte, 100)...))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
			t.Fatalf("the heap has grown by %d octets", grown)
		}
	})
}

func TestHalfOpenConnections(t *testing.T) {
	for name, sent := range map[string]string{
		"item 4: nothing":                   "",
		"item 4: three octets":              "\x00\x00\x00",
		"item 4: the begin of a PDU":        "\x00\x00\x00\x40\x00\x00\x00\x09",
		"item 28: enquire_link and no bind": "\x00\x00\x00\x10\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x07",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, dial := inMemory(t, smpp.ServerOptions{})
				p := dial()
				if sent != "" {
					p.SendRaw([]byte(sent))
				}
				if len(sent) == smpp.HeaderLen {
					p.ExpectHeaderOnly(smpp.CmdEnquireLinkResp, smpp.ROK, 7)
				}
				began := time.Now()
				p.ExpectSilence(29 * time.Second)
				p.ExpectClosed()
				if d := time.Since(began); d > 31*time.Second {
					t.Fatalf("closed after %s", d)
				}
			})
		})
	}
}
