package redisq_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"protei-bulk/bulk/message"
	"protei-bulk/bulk/queue/redisq"
	"protei-bulk/internal/servers"
)

// cpu returns the seconds of CPU that Redis has used.
func cpu(tb testing.TB, c rueidis.Client) (sum float64) {
	tb.Helper()
	info, err := c.Do(tb.Context(), c.B().Info().Section("cpu").Build()).ToString()
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				tb.Fatal(err)
			}
			sum += seconds
		}
	}
	return sum
}

func TestRefusals(t *testing.T) {
	evicts := servers.TestRedis(t, "--maxmemory-policy", "allkeys-lru")
	hidden := servers.TestRedis(t, "--maxmemory-policy", "volatile-lru", "--rename-command", "CONFIG", "")
	locked := servers.TestRedis(t, "--requirepass", "secret")
	for _, c := range []struct{ name, url, says string }{
		{"evicts", evicts.URL(), "set it to noeviction"},
		{"evicts, without CONFIG", hidden.URL(), "maxmemory-policy is volatile-lru"},
		{"without the password", locked.URL(), "NOAUTH"},
		{"with a wrong password", "redis://:hush@" + locked.Addr, "WRONGPASS"},
		{"nobody there", "redis://127.0.0.1:1", "reach Redis at 127.0.0.1:1"},
		{"no Redis", "http://127.0.0.1", "is none of redis://"},
		{"half a bracket", "redis://a]b", "names a server that is none"},
		{"two servers", "redis://a:1,b:2", "use redis+sentinel"},
		{"a database by name", "redis://a/main", "is no number"},
		{"Sentinel without a name", "redis+sentinel://a", "add ?master=NAME"},
		{"a CA that is not there", "rediss://a?ca=/nowhere", "read the CA of Redis"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := redisq.Connect(t.Context(), c.url)
			if err == nil {
				client.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%v: want %q in it, and no password", err, c.says)
			}
		})
	}
}

func TestPasswordAndDatabase(t *testing.T) {
	r := servers.TestRedis(t, "--requirepass", "secret")
	zero, three := client(t, "redis://:secret@"+r.Addr), client(t, "redis://:secret@"+r.Addr+"/3")
	do(t, three, "SET", "k", "v")
	if n, err := do(t, zero, "EXISTS", "k").AsInt64(); n != 0 || err != nil {
		t.Errorf("database 0 has what was set in 3: %d %v", n, err)
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	servers.TestRedis(t, "--tls-port", strconv.Itoa(port), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	url := fmt.Sprintf("rediss://127.0.0.1:%d", port)
	if c, err := redisq.Connect(t.Context(), url); err == nil {
		c.Close()
		t.Error("a certificate that nobody knows was believed")
	}
	do(t, client(t, url+"?ca="+cert), "PING")
}

// certificate writes a self-signed certificate for 127.0.0.1 and its key.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, from, from, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestFailoverBySentinel: the master dies, and hints go over its replica.
func TestFailoverBySentinel(t *testing.T) {
	master := servers.TestRedis(t)
	servers.TestRedis(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.Port))
	c := client(t, master.URL())
	eventually(t, "the replica", func() bool {
		info, err := do(t, c, "INFO", "replication").ToString()
		return err == nil && strings.Contains(info, "state=online")
	})
	s, err := servers.NewSentinel(t.TempDir(), master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	watch, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Addr}, DisableCache: true, ForceSingleClient: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watch.Close)
	eventually(t, "the Sentinel that sees the replica", func() bool {
		list, err := do(t, watch, "SENTINEL", "REPLICAS", "main").ToArray()
		return err == nil && len(list) == 1
	})
	o := &owner{}
	q := o.open(t, "redis+sentinel://"+s.Addr+"/0?master=main", "a")
	defer q.Stop()
	q.Publish(seven, []message.ID{1})
	eventually(t, "a hint", o.has(1))
	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one after the failover", func() bool {
		q.Publish(seven, []message.ID{2})
		return o.has(2)()
	})
}
