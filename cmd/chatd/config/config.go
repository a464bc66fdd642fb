package config

import (
	"net"
	"net/netip"
	"strings"
	"time"
)

// Config is the whole configuration. Load makes it; it is not changed after that.
//
// Tags: doc is the description; min and max bound numbers, durations and sizes, both included; off
// says what 0 means where 0 lies outside those bounds; enum lists the words that a setting may have;
// secret values are never shown; reload marks what SIGHUP may change.
type Config struct {
	Listen          string        `mapstructure:"listen" doc:"Where to listen, host:port. Port 0 takes a free one. An address other than loopback needs tls, or allow_plaintext behind a proxy."`
	DataDir         string        `mapstructure:"data_dir" doc:"Where everything is kept. Made if it is not there; one chatd at a time."`
	TLS             TLS           `mapstructure:"tls" doc:"TLS 1.2 or newer. The files are read again on SIGHUP."`
	AllowPlaintext  bool          `mapstructure:"allow_plaintext" doc:"Serve without TLS on an address other than loopback: only behind a proxy that ends TLS, or in a network that you trust."`
	AllowedOrigins  []string      `mapstructure:"allowed_origins" doc:"Web pages that may connect, as the browser's Origin header says it: https://chat.example.org. Pages of the server's own host always may. * stands for any run of characters in a host. Programs send no Origin and are not asked."`
	AllowedHosts    []string      `mapstructure:"allowed_hosts" doc:"Host names under which the server may be called, against DNS rebinding, without ports and brackets. Empty: on loopback localhost and loopback addresses, elsewhere any."`
	TrustedProxies  []string      `mapstructure:"trusted_proxies" doc:"Addresses or networks (10.0.0.0/8) of proxies whose X-Forwarded-For is believed when a limit counts by address."`
	Registration    Registration  `mapstructure:"registration" doc:"Who may make an account. open: anyone, and the first is the administrator. invite: who has an invitation, or the setup token that is printed at the start while there is no account. closed: nobody. auto: open on loopback, invite elsewhere." enum:"auto,open,invite,closed"`
	SetupToken      string        `mapstructure:"setup_token" doc:"The setup token, 20 characters or more, if chatd is not to make one. Better in a file: setup_token_file." secret:"true"`
	SetupTokenFile  string        `mapstructure:"setup_token_file" doc:"A file that holds the setup token."`
	SessionTTL      time.Duration `mapstructure:"session_ttl" doc:"How long a login lasts after its last use." min:"5m" max:"3650d"`
	PresenceGrace   time.Duration `mapstructure:"presence_grace" doc:"How long somebody may be disconnected before others are told that they went offline." min:"0" max:"1h"`
	PresenceMembers int64         `mapstructure:"presence_members" doc:"Rooms with more members get no signals of who comes and goes, types, or has another name." min:"1" max:"100000" off:"no signals in any room"`
	DrainTimeout    time.Duration `mapstructure:"drain_timeout" doc:"How long SIGTERM lets what is under way finish." min:"0" max:"10m"`
	Retention       Retention     `mapstructure:"retention" doc:"How long the history of rooms is kept; what is not goes for good. A room may keep less by a rule of its own, and more if an administrator lets it (chatctl room retention). See docs/RETENTION.md."`
	Metrics         Metrics       `mapstructure:"metrics" doc:"Who may read /metrics: loopback (programs on this machine), public or off." enum:"loopback,public,off"`
	Log             Log           `mapstructure:"log" doc:"The log goes to stderr. It holds ids, never what people wrote, and no secrets."`
	Limits          Limits        `mapstructure:"limits" doc:"What strangers and mistakes cannot exceed. Clients read most of these in server.info.limits. 0 means no limit where the comment says so."`
	Fanout          Fanout        `mapstructure:"fanout" doc:"How events reach the followers of a room. The defaults suit rooms of every size; see docs/PERFORMANCE.md before changing them."`
}

// TLS names the certificate. Both files or neither.
type TLS struct {
	CertFile string `mapstructure:"cert_file" doc:"Certificate chain, PEM."`
	KeyFile  string `mapstructure:"key_file" doc:"Private key, PEM."`
}

// Retention says how long the history of rooms is kept.
type Retention struct {
	MaxAge      time.Duration `mapstructure:"max_age" doc:"Events that are older go." min:"1m" max:"36500d" off:"for ever"`
	MaxMessages int64         `mapstructure:"max_messages" doc:"What stands before the last so many messages of a room goes." min:"1" max:"1000000000000" off:"all stay"`
	Interval    time.Duration `mapstructure:"interval" doc:"How often the server looks for what is not to be kept." min:"1m" max:"7d" off:"only when purge.start asks it to"`
}

// Log says what is logged and how.
type Log struct {
	Level  LogLevel  `mapstructure:"level" doc:"debug, info, warn or error." enum:"debug,info,warn,error" reload:"true"`
	Format LogFormat `mapstructure:"format" doc:"text or json." enum:"text,json"`
}

// Limits bounds what one connection, address or request may use.
type Limits struct {
	MaxConnections           int64         `mapstructure:"max_connections" doc:"Connections at once." max:"10000000" off:"no limit"`
	MaxAnonymousPerAddress   int64         `mapstructure:"max_anonymous_per_address" doc:"Connections of one address that have not signed in. Not counted on loopback." max:"10000000" off:"no limit"`
	MaxMessageBytes          Bytes         `mapstructure:"max_message_bytes" doc:"One WebSocket message or HTTP body, once signed in." min:"4KiB" max:"64MiB" off:"no limit"`
	MaxMessageBytesAnonymous Bytes         `mapstructure:"max_message_bytes_anonymous" doc:"The same, before." min:"1KiB" max:"64MiB" off:"no limit"`
	MaxTextBytes             Bytes         `mapstructure:"max_text_bytes" doc:"The text of a message." min:"1" max:"32MiB" off:"no limit but max_message_bytes"`
	MaxDataBytes             Bytes         `mapstructure:"max_data_bytes" doc:"The data of a message." min:"2" max:"32MiB" off:"no limit but max_message_bytes"`
	MaxBatch                 int64         `mapstructure:"max_batch" doc:"Requests in one batch." min:"1" max:"100000" off:"no limit"`
	MaxInFlight              int64         `mapstructure:"max_in_flight" doc:"Unanswered requests of one connection; the server reads no further until one is answered." min:"1" max:"10000" off:"no limit"`
	HistoryLimit             int64         `mapstructure:"history_limit" doc:"Events in one page of history." min:"1" max:"200" off:"no limit but the 200 of the interface"`
	HistoryBytes             Bytes         `mapstructure:"history_bytes" doc:"About how many bytes of events in one page." min:"4KiB" max:"64MiB" off:"no limit"`
	BacklogBytes             Bytes         `mapstructure:"backlog_bytes" doc:"What may wait for a slow reader before its connection is closed with: resume." min:"16KiB" max:"1GiB" off:"no limit"`
	RequestsPerSecond        int64         `mapstructure:"requests_per_second" doc:"Sustained, of one connection." min:"1" max:"1000000" off:"no limit"`
	RequestBurst             int64         `mapstructure:"request_burst" doc:"At once, of one connection. At least requests_per_second and max_batch." min:"1" max:"100000000"`
	LoginsPerMinute          int64         `mapstructure:"logins_per_minute" doc:"Password attempts from one address. Not counted on loopback." min:"1" max:"1000000" off:"no limit"`
	AuthTimeout              time.Duration `mapstructure:"auth_timeout" doc:"A connection signs in within this time." min:"1s" max:"1h" off:"no limit"`
	RequestTimeout           time.Duration `mapstructure:"request_timeout" doc:"A request is answered within this time." min:"100ms" max:"1h" off:"no limit"`
	PingInterval             time.Duration `mapstructure:"ping_interval" doc:"The server pings a silent peer after this time." min:"1s" max:"1h" off:"never"`
	PingTimeout              time.Duration `mapstructure:"ping_timeout" doc:"And closes the connection if nothing comes back within this." min:"1s" max:"1h"`
}

// Fanout tunes how blocks of events are handed out.
type Fanout struct {
	Window      time.Duration `mapstructure:"window" doc:"A busy room gathers its events for this long before they are sent together." max:"1s" off:"at once"`
	LargeWindow time.Duration `mapstructure:"large_window" doc:"The same for a large room." max:"1s" off:"at once"`
	LargeRoom   int           `mapstructure:"large_room" doc:"A room with more followers than this is large." min:"1" max:"10000000"`
	BusyRate    float64       `mapstructure:"busy_rate" doc:"A room with more events a second than this is busy; a quieter one never waits." min:"1" max:"1000000"`
	Inline      int           `mapstructure:"inline" doc:"A room with at most so many followers is written to on the spot, without a worker." min:"1" max:"100000" off:"always by a worker"`
	Workers     int           `mapstructure:"workers" doc:"Goroutines that write to the other rooms." min:"1" max:"1024"`
}

// Registration says who may make an account.
type Registration string

// The values of Registration.
const (
	RegistrationAuto   Registration = "auto"
	RegistrationOpen   Registration = "open"
	RegistrationInvite Registration = "invite"
	RegistrationClosed Registration = "closed"
)

// Metrics says who may read /metrics.
type Metrics string

// The values of Metrics.
const (
	MetricsLoopback Metrics = "loopback"
	MetricsPublic   Metrics = "public"
	MetricsOff      Metrics = "off"
)

// LogLevel is the least that is logged.
type LogLevel string

// LogFormat is how a line of the log looks.
type LogFormat string

// The values of LogFormat.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// Default is what holds when nothing is said.
func Default() *Config {
	return &Config{
		Listen:          "127.0.0.1:8080",
		DataDir:         "./chatd-data",
		Registration:    RegistrationAuto,
		SessionTTL:      90 * 24 * time.Hour,
		PresenceGrace:   2 * time.Second,
		PresenceMembers: 500,
		DrainTimeout:    10 * time.Second,
		Retention:       Retention{Interval: time.Hour},
		Metrics:         MetricsLoopback,
		Log:             Log{Level: "info", Format: LogText},
		Limits: Limits{
			MaxConnections:           20000,
			MaxAnonymousPerAddress:   100,
			MaxMessageBytes:          64 << 10,
			MaxMessageBytesAnonymous: 4 << 10,
			MaxTextBytes:             16 << 10,
			MaxDataBytes:             16 << 10,
			MaxBatch:                 50,
			MaxInFlight:              32,
			HistoryLimit:             200,
			HistoryBytes:             512 << 10,
			BacklogBytes:             256 << 10,
			RequestsPerSecond:        2000,
			RequestBurst:             40000,
			LoginsPerMinute:          30,
			AuthTimeout:              10 * time.Second,
			RequestTimeout:           30 * time.Second,
			PingInterval:             25 * time.Second,
			PingTimeout:              10 * time.Second,
		},
		Fanout: Fanout{
			Window:      30 * time.Millisecond,
			LargeWindow: 100 * time.Millisecond,
			LargeRoom:   5000,
			BusyRate:    50,
			Inline:      16,
			Workers:     2,
		},
	}
}

// HasTLS tells whether a certificate is configured.
func (c *Config) HasTLS() bool { return c.TLS.CertFile != "" }

// Loopback tells whether only this machine can reach the server. A name counts as loopback only if it is localhost.
func (c *Config) Loopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// RegistrationInEffect is Registration with auto resolved: open, invite or closed.
func (c *Config) RegistrationInEffect() Registration {
	if c.Registration != RegistrationAuto {
		return c.Registration
	}
	if c.Loopback() {
		return RegistrationOpen
	}
	return RegistrationInvite
}
