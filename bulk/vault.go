package bulk

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"protei-bulk/bulk/store"
)

// vault encrypts the secrets that the platform must be able to present, such as the
// keys that sign webhooks, with a key that lies in a file of its own (mode 0600) beside
// the database: a copy of the database alone shows none of them.
type vault struct{ aead cipher.AEAD }

const (
	vaultFile   = "secret.key"
	vaultBytes  = 32 // AES-256
	vaultPrefix = "v1:"
)

var errNotSealed = errors.New("not a sealed secret")

// The key of a store that nodes share is one of its objects, unless a file is named: then a
// copy of the database alone opens what is sealed in it.
const (
	vaultObjects = "vault"
	vaultKey     = "key"
)

// openVault opens the vault of the store: with the key file that is set, with the one in the
// data folder, or with the key that the nodes of a store share.
func (p *Platform) openVault(ctx context.Context, fresh bool) (*vault, error) {
	switch {
	case p.cfg.SecretKeyFile != "":
		return openVault(p.cfg.SecretKeyFile, false)
	case p.node == nil:
		return openVault(filepath.Join(p.cfg.Data, vaultFile), fresh)
	}
	key, err := p.store.Object(ctx, vaultObjects, vaultKey)
	if errors.Is(err, store.ErrNotFound) && fresh {
		key = make([]byte, vaultBytes)
		_, _ = rand.Read(key)
		err = p.node.store.CreateObject(ctx, vaultObjects, vaultKey, key)
		if err != nil && !errors.Is(err, store.ErrTaken) { // another node was first
			return nil, fmt.Errorf("key of the store's secrets: %w", err)
		}
		key, err = p.store.Object(ctx, vaultObjects, vaultKey)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, errors.New("the store's secrets were sealed with a key file: name it by secret_key_file")
	}
	if err != nil {
		return nil, fmt.Errorf("key of the store's secrets: %w", err)
	}
	return newVault(key)
}

// openVault reads the key file. When there is none it makes one if fresh says that
// nothing has been sealed yet; otherwise the file was lost, and with it what it sealed.
// The file must not be readable by others.
func openVault(path string, fresh bool) (*vault, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && !fresh {
		return nil, fmt.Errorf("key file %s is missing, and the database holds secrets that it sealed: put it back from the backup", path)
	}
	if errors.Is(err, os.ErrNotExist) {
		key = make([]byte, vaultBytes)
		_, _ = rand.Read(key) // never fails: it ends the process instead
		err = writeSecret(path, key)
	}
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("key file %s has mode %04o: others can read it, 0600 is needed", path, mode)
	}
	if len(key) != vaultBytes {
		return nil, fmt.Errorf("key file %s has %d octets, %d are needed", path, len(key), vaultBytes)
	}
	return newVault(key)
}

func newVault(key []byte) (*vault, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &vault{aead}, err
}

// writeSecret makes the file whole or not at all, and durable.
func writeSecret(path string, content []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// seal encrypts text for one place: what was sealed for another does not open there.
func (v *vault) seal(place, text string) string {
	if text == "" {
		return ""
	}
	nonce := make([]byte, v.aead.NonceSize(), v.aead.NonceSize()+len(text)+v.aead.Overhead())
	_, _ = rand.Read(nonce)
	return vaultPrefix + base64.StdEncoding.EncodeToString(v.aead.Seal(nonce, nonce, []byte(text), []byte(place)))
}

func (v *vault) open(place, sealed string) (string, error) {
	if sealed == "" {
		return "", nil
	}
	text, ok := strings.CutPrefix(sealed, vaultPrefix)
	if !ok {
		return "", errNotSealed
	}
	box, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(box) < v.aead.NonceSize() {
		return "", errNotSealed
	}
	n := v.aead.NonceSize()
	plain, err := v.aead.Open(nil, box[:n], box[n:], []byte(place))
	if err != nil {
		return "", fmt.Errorf("the key file does not fit: %w", err)
	}
	return string(plain), nil
}
