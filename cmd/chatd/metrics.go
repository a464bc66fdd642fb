package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/chatd-dev/chatd/chat"
	"github.com/chatd-dev/chatd/cmd/chatd/config"
	"github.com/chatd-dev/chatd/rpcserver"
)

// stats is what the floors count, read at one moment.
type stats struct {
	chat chat.Stats
	rpc  rpcserver.Stats
}

// metric is one line of /metrics.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*stats) int64
}

// metrics collects chatd's own counters for Prometheus.
type metrics struct {
	svc       *chat.Service
	transport *rpcserver.Server // set by watch, before anything is collected
	list      []metric
}

func newMetrics(svc *chat.Service) *metrics { return &metrics{svc: svc, list: metricList()} }

// watch adds the transport's counters; the transport is made after the handler that it serves.
func (m *metrics) watch(transport *rpcserver.Server) { m.transport = transport }

// handler answers GET /metrics; nil if metrics are off.
func (m *metrics) handler(cfg *config.Config) http.Handler {
	if cfg.Metrics == config.MetricsOff {
		return nil
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "chatd_build_info", Help: "1, with the version as a label.", ConstLabels: prometheus.Labels{"version": version, "commit": readVersion().Commit},
	})
	build.Set(1)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for i := range m.list {
		ch <- m.list[i].desc
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	now := &stats{chat: m.svc.Stats(), rpc: m.transport.Stats()}
	for i := range m.list {
		l := &m.list[i]
		ch <- prometheus.MustNewConstMetric(l.desc, l.kind, float64(l.read(now)))
	}
}

func gauge(name, help string, read func(*stats) int64) metric {
	return metric{prometheus.NewDesc("chatd_"+name, help, nil, nil), prometheus.GaugeValue, read}
}

func counter(name, help string, read func(*stats) int64) metric {
	return metric{prometheus.NewDesc("chatd_"+name+"_total", help, nil, nil), prometheus.CounterValue, read}
}

// labelled is a counter of a family that is told apart by one label.
func labelled(name, help, label, value string, read func(*stats) int64) metric {
	return metric{prometheus.NewDesc("chatd_"+name+"_total", help, nil, prometheus.Labels{label: value}), prometheus.CounterValue, read}
}

func metricList() []metric {
	const (
		requests = "Requests answered, by outcome."
		closes   = "Connections closed by the server, by reason."
	)
	return []metric{
		gauge("connections", "WebSockets open now.", func(s *stats) int64 { return s.rpc.Connections }),
		gauge("connections_anonymous", "WebSockets open now that have not signed in.", func(s *stats) int64 { return s.rpc.Anonymous }),
		gauge("users_online", "Users with a connection now.", func(s *stats) int64 { return s.chat.UsersOnline }),
		gauge("rooms_followed", "Rooms that somebody follows now.", func(s *stats) int64 { return s.rpc.Rooms }),
		counter("connections_opened", "WebSockets taken since the start.", func(s *stats) int64 { return s.rpc.ConnectionsTotal }),
		counter("connections_refused", "Handshakes refused: too many, or not allowed.", func(s *stats) int64 { return s.rpc.Refused }),
		labelled("connections_closed", closes, "reason", "slow", func(s *stats) int64 { return s.rpc.SlowCloses }),
		labelled("connections_closed", closes, "reason", "idle", func(s *stats) int64 { return s.rpc.IdleCloses }),
		labelled("connections_closed", closes, "reason", "auth", func(s *stats) int64 { return s.rpc.AuthCloses }),
		labelled("connections_closed", closes, "reason", "abuse", func(s *stats) int64 { return s.rpc.AbuseCloses }),

		labelled("requests", requests, "outcome", "ok", func(s *stats) int64 { return s.rpc.Requests }),
		labelled("requests", requests, "outcome", "error", func(s *stats) int64 { return s.rpc.RequestErrors }),
		labelled("requests", requests, "outcome", "malformed", func(s *stats) int64 { return s.rpc.ParseErrors }),
		labelled("requests", requests, "outcome", "rate_limited", func(s *stats) int64 { return s.rpc.RateLimited }),
		labelled("requests", requests, "outcome", "internal", func(s *stats) int64 { return s.rpc.InternalErrors }),
		counter("request_timeouts", "Requests answered because their time was over.", func(s *stats) int64 { return s.rpc.Timeouts }),
		counter("request_panics", "Handlers that panicked; the log has them.", func(s *stats) int64 { return s.rpc.Panics }),
		counter("received_bytes", "Bytes read from WebSockets.", func(s *stats) int64 { return s.rpc.BytesIn }),
		counter("sent_bytes", "Bytes written to WebSockets.", func(s *stats) int64 { return s.rpc.BytesOut }),

		counter("posts", "Messages committed.", func(s *stats) int64 { return s.chat.Posts }),
		counter("post_duplicates", "Posts answered from the log because their key was known.", func(s *stats) int64 { return s.chat.Duplicates }),
		counter("commits", "Transactions of the commit lanes.", func(s *stats) int64 { return s.chat.Commits }),
		counter("commit_entries", "Acts in them.", func(s *stats) int64 { return s.chat.CommitEntries }),
		counter("commit_errors", "Transactions whose fate is unknown.", func(s *stats) int64 { return s.chat.CommitErrors }),
		counter("events_published", "Events, each counted once.", func(s *stats) int64 { return s.rpc.Published }),
		counter("events_delivered", "Events handed to followers, each counted for each follower.", func(s *stats) int64 { return s.rpc.Events }),
		counter("events_replayed", "Events sent to those who resume.", func(s *stats) int64 { return s.chat.Replayed }),
		counter("signals_delivered", "Signals handed to followers, each counted for each follower.", func(s *stats) int64 { return s.rpc.Signals }),
		counter("room_flushes", "Blocks of events handed out.", func(s *stats) int64 { return s.rpc.Flushes }),
		counter("events_purged", "Events removed by purges and retention.", func(s *stats) int64 { return s.chat.Purged }),
		counter("gaps", "Holes announced to those who resume.", func(s *stats) int64 { return s.chat.Gaps }),

		counter("logins", "Logins by password.", func(s *stats) int64 { return s.chat.Logins }),
		counter("login_failures", "Logins refused.", func(s *stats) int64 { return s.chat.LoginFailures }),
		counter("resumes", "Sign-ins by token.", func(s *stats) int64 { return s.chat.Resumes }),
	}
}
