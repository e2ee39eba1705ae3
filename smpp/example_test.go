package smpp_test

import (
	"context"
	"fmt"
	"net"

	"protei-bulk/smpp"
)

func Example() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv, err := smpp.NewServer(smpp.ServerOptions{
		SystemID: "smsc",
		Handler: smpp.HandlerFunc(func(s *smpp.Session, r *smpp.Request) {
			submit, ok := r.PDU.(*smpp.SubmitSM)
			if !ok {
				s.Respond(r.Seq, r.ID, smpp.RINVCMDID, nil)
				return
			}
			fmt.Printf("%s -> %s: %s\n", submit.Source.Addr, submit.Dest.Addr, submit.Payload())
			s.Respond(r.Seq, r.ID, smpp.ROK, &smpp.SubmitSMResp{MessageID: []byte("1f")})
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()

	ctx := context.Background()
	s, err := smpp.Dial(ctx, smpp.DialOptions{Addr: ln.Addr().String(), SystemID: "esme", Password: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	status, resp, err := s.Do(ctx, &smpp.SubmitSM{
		Source:       smpp.Address{TON: 5, Addr: []byte("PROTEI")},
		Dest:         smpp.Address{TON: 1, NPI: 1, Addr: []byte("79161234567")},
		ShortMessage: []byte("hello"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, message_id %s\n", status, resp.(*smpp.SubmitSMResp).MessageID)
	fmt.Println(s.Unbind(ctx), srv.Shutdown(ctx), <-served)
	// Output:
	// PROTEI -> 79161234567: hello
	// ESME_ROK (0x00), message_id 1f
	// <nil> <nil> smpp: server closed
}
