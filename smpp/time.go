package smpp

import (
	"errors"
	"time"
)

// ErrBadTime is returned for 16 characters that are not a time of SMPP.
var ErrBadTime = errors.New("is not a time as YYMMDDhhmmsstnnp")

// ParseTime reads schedule_delivery_time, validity_period or final_date (SMPP 3.4
// §7.1.1), 16 characters:
//
//	YYMMDDhhmmsstnn+   absolute: tenths t, nn quarter hours ahead (+) or behind (-) of UTC
//	YYMMDDhhmmss000R   relative: so much later than now
//
// Two-digit years are of 2000 to 2099. The result is in UTC.
func ParseTime(b []byte, now time.Time) (time.Time, error) {
	if len(b) != 16 {
		return time.Time{}, ErrBadTime
	}
	var f [7]int // YY MM DD hh mm ss, and nn
	for i := range 6 {
		n, ok := twoDigits(b[2*i:])
		if !ok {
			return time.Time{}, ErrBadTime
		}
		f[i] = n
	}
	tenth := int(b[12]) - '0'
	quarters, ok := twoDigits(b[13:])
	if !ok || tenth < 0 || tenth > 9 {
		return time.Time{}, ErrBadTime
	}
	if b[15] == 'R' {
		t := now.UTC().AddDate(f[0], f[1], f[2])
		return t.Add(time.Duration(f[3])*time.Hour + time.Duration(f[4])*time.Minute + time.Duration(f[5])*time.Second), nil
	}
	if f[1] < 1 || f[1] > 12 || f[2] < 1 || f[3] > 23 || f[4] > 59 || f[5] > 59 || quarters > 48 {
		return time.Time{}, ErrBadTime
	}
	t := time.Date(2000+f[0], time.Month(f[1]), f[2], f[3], f[4], f[5], tenth*int(100*time.Millisecond), time.UTC)
	if t.Day() != f[2] {
		return time.Time{}, ErrBadTime // 31 June
	}
	offset := time.Duration(quarters) * 15 * time.Minute
	switch b[15] {
	case '+':
		return t.Add(-offset), nil
	case '-':
		return t.Add(offset), nil
	default:
		return time.Time{}, ErrBadTime
	}
}

// AppendTime appends t as an absolute time in UTC, to the tenth of a second.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	dst = appendStamp(dst, t)
	dst = append(dst, byte('0'+t.Second()/10), byte('0'+t.Second()%10))
	return append(dst, byte('0'+t.Nanosecond()/int(100*time.Millisecond)), '0', '0', '+')
}

// AppendRelativeTime appends a period as a relative time, to the second; at most 99
// days, 23 hours, 59 minutes and 59 seconds, which longer ones are cut to.
func AppendRelativeTime(dst []byte, d time.Duration) []byte {
	const longest = 100*24*time.Hour - time.Second
	s := int(min(max(d, 0), longest) / time.Second)
	dst = append(dst, '0', '0', '0', '0')
	for _, n := range [4]int{s / 86400, s / 3600 % 24, s / 60 % 60, s % 60} {
		dst = append(dst, byte('0'+n/10), byte('0'+n%10))
	}
	return append(dst, '0', '0', '0', 'R')
}

func twoDigits(b []byte) (int, bool) {
	if b[0] < '0' || b[0] > '9' || b[1] < '0' || b[1] > '9' {
		return 0, false
	}
	return int(b[0]-'0')*10 + int(b[1]-'0'), true
}

// appendStamp appends YYMMDDhhmm.
func appendStamp(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, _ := t.Clock()
	for _, n := range [5]int{year % 100, int(month), day, hour, minute} {
		dst = append(dst, byte('0'+n/10), byte('0'+n%10))
	}
	return dst
}
