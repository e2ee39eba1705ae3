package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Job is what the workers of a run need to know.
type Job struct {
	// Spec is a JSON document that only those who make sessions understand.
	Spec json.RawMessage
	// Files by name: the scenario file, and the data files that it reads.
	Files map[string][]byte
	// Iterations is Options.Iterations of the run.
	Iterations uint64
}

// Hash is the SHA-256 of a file, in hex.
func Hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// parcel is a job as the master sends it.
type parcel struct {
	wire  wireJob
	bytes map[string][]byte // by hash
}

// pack checks the size of a job.
func pack(j Job) (*parcel, error) {
	p := &parcel{wire: wireJob{Spec: j.Spec}, bytes: map[string][]byte{}}
	sum := 0
	for name, b := range j.Files {
		info := fileInfo{Name: name, Size: len(b), Hash: Hash(b)}
		p.wire.Files = append(p.wire.Files, info)
		p.bytes[info.Hash] = b
		sum += len(b)
	}
	slices.SortFunc(p.wire.Files, func(a, b fileInfo) int { return strings.Compare(a.Name, b.Name) })
	if sum > maxFiles {
		return nil, fmt.Errorf("the scenario and its data files have %d MB together, %d at most can be sent to workers", sum>>20, maxFiles>>20)
	}
	return p, nil
}

// chunk is a part of a file; nil: there is no such file.
func (p *parcel) chunk(ask fileAsk) []byte {
	b, ok := p.bytes[ask.Hash]
	if !ok || ask.Offset < 0 || ask.Offset >= len(b) {
		return nil
	}
	return b[ask.Offset:min(len(b), ask.Offset+fileChunk)]
}

// fetch reads the files of a job through ask.
func fetch(files []fileInfo, ask func(fileAsk) ([]byte, error)) (map[string][]byte, error) {
	out := map[string][]byte{}
	sum := 0
	for _, f := range files {
		if sum += f.Size; f.Size < 0 || sum > maxFiles {
			return nil, errors.New("the master sends more than a worker takes")
		}
		b := make([]byte, 0, f.Size)
		for len(b) < f.Size {
			part, err := ask(fileAsk{f.Hash, len(b)})
			if err != nil {
				return nil, fmt.Errorf("fetch %s from the master: %w", f.Name, err)
			}
			if len(part) == 0 || len(b)+len(part) > f.Size {
				return nil, fmt.Errorf("fetch %s from the master: it ends at %d of %d bytes", f.Name, len(b)+len(part), f.Size)
			}
			b = append(b, part...)
		}
		if got := Hash(b); got != f.Hash {
			return nil, fmt.Errorf("fetch %s from the master: its SHA-256 is %s, not %s", f.Name, got, f.Hash)
		}
		out[f.Name] = b
	}
	return out, nil
}
