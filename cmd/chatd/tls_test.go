package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writeCertificate writes a certificate for 127.0.0.1 with this serial number, signed by itself.
func writeCertificate(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "chatd test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// serial handshakes with at most this version of TLS and gives the serial number of the server's certificate.
func serial(addr string, maxVersion uint16) (int64, error) {
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: maxVersion})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, 1)
	r := start(t, t.TempDir(), "--tls-cert", cert, "--tls-key", key)
	url := r.url()
	addr, isTLS := strings.CutPrefix(url, "https://")
	if !isTLS {
		t.Fatalf("listening on %s", url)
	}
	if got, err := serial(addr, 0); err != nil || got != 1 {
		t.Errorf("got certificate %d, %v", got, err)
	}
	if _, err := serial(addr, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is taken")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	res, err := client.Get(url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Proto != "HTTP/1.1" {
		t.Errorf("/readyz answers %s %s", res.Proto, res.Status)
	}

	// A renewed certificate is taken on SIGHUP; a broken one changes nothing.
	writeCertificate(t, dir, 2)
	r.signals <- syscall.SIGHUP
	r.stderr.wait(t, "msg=reloaded")
	if got, err := serial(addr, 0); err != nil || got != 2 {
		t.Errorf("got certificate %d, %v", got, err)
	}
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.signals <- syscall.SIGHUP
	r.stderr.wait(t, "reload refused, nothing is changed")
	if got, err := serial(addr, 0); err != nil || got != 2 {
		t.Errorf("got certificate %d, %v", got, err)
	}
}
