package bulk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVaultKeepsSecrets(t *testing.T) {
	dir := t.TempDir()
	v, err := openVault(filepath.Join(dir, vaultFile), true)
	if err != nil {
		t.Fatal(err)
	}
	sealed := v.seal("account 7", "whsec_hidden")
	if strings.Contains(sealed, "hidden") || sealed == v.seal("account 7", "whsec_hidden") {
		t.Errorf("sealed as %q", sealed)
	}
	again, err := openVault(filepath.Join(dir, vaultFile), true)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := again.open("account 7", sealed); err != nil || text != "whsec_hidden" {
		t.Errorf("opened %q, %v", text, err)
	}
	if _, err := again.open("account 8", sealed); err == nil {
		t.Error("a secret opened at another place")
	}
	other, err := openVault(filepath.Join(t.TempDir(), vaultFile), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.open("account 7", sealed); err == nil {
		t.Error("a secret opened with another key")
	}
	for _, bad := range []string{"whsec_plain", "v1:", "v1:***", "v1:AAAA"} {
		if _, err := v.open("x", bad); err == nil {
			t.Errorf("%q opened", bad)
		}
	}
}

func TestLostKeyFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	if _, err := openVault(filepath.Join(dir, vaultFile), false); err == nil || !strings.Contains(err.Error(), vaultFile) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, vaultFile)); err == nil {
		t.Error("a new key file was made over sealed secrets")
	}
}

func TestVaultRefusesAKeyThatOthersCanRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := openVault(filepath.Join(dir, vaultFile), true); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, vaultFile)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := openVault(filepath.Join(dir, vaultFile), true); err == nil || !strings.Contains(err.Error(), "0640") {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openVault(filepath.Join(dir, vaultFile), true); err == nil || !strings.Contains(err.Error(), "5 octets") {
		t.Errorf("error %v", err)
	}
}
