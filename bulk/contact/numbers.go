package contact

// numbers is a set of phone numbers of up to 15 digits, in 8 octets each.
type numbers struct {
	slots []uint64 // 0: free
	n     int
}

// key packs digits so that numbers that differ in leading zeros differ. It is never 0.
func key(digits string) uint64 {
	k := uint64(1)
	for i := 0; i < len(digits); i++ {
		if c := digits[i]; c >= '0' && c <= '9' {
			k = k*10 + uint64(c-'0')
		}
	}
	return k
}

// add reports whether k is new.
func (s *numbers) add(k uint64) bool {
	if s.n*4 >= len(s.slots)*3 {
		s.grow()
	}
	if !put(s.slots, k) {
		return false
	}
	s.n++
	return true
}

func put(slots []uint64, k uint64) bool {
	mask := uint64(len(slots) - 1)
	for i := k * 0x9E3779B97F4A7C15 >> 20 & mask; ; i = (i + 1) & mask {
		switch slots[i] {
		case 0:
			slots[i] = k
			return true
		case k:
			return false
		}
	}
}

func (s *numbers) grow() {
	bigger := make([]uint64, max(1024, 2*len(s.slots)))
	for _, k := range s.slots {
		if k != 0 {
			put(bigger, k)
		}
	}
	s.slots = bigger
}
