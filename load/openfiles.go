package load

import "fmt"

// spareFiles are descriptors for everything that is no user's connection: logs, reports,
// the receipt listener with the target's connections to it, the metrics poll.
const spareFiles = 200

// CheckOpenFiles explains a limit of open files that is too low for an offer.
func CheckOpenFiles(o Offer, limit uint64) error {
	need := uint64(o.Connections + o.Binds + spareFiles)
	if need <= limit {
		return nil
	}
	return fmt.Errorf("%d users need about %d open files, the limit is %d even after raising the soft one to the hard one: "+
		"raise it (ulimit -Hn %d as root, LimitNOFILE= of the service, or nofile in /etc/security/limits.conf), or run fewer users (at most %d)",
		o.Connections+o.Binds, need, limit, need, max(0, int(limit)-spareFiles))
}
