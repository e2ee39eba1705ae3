package api

import (
	"time"
)

// System is the node that answers, for those who run it.
type System struct {
	Version  string    `json:"version"`
	Go       string    `json:"go"`
	Platform string    `json:"platform"` // linux/amd64
	PID      int       `json:"pid"`
	Node     int       `json:"node"`
	Started  time.Time `json:"started_at"`
	Dev      bool      `json:"dev"`
	LogLevel string    `json:"log_level"`
	Disk     Disk      `json:"disk"`
	Settings []Setting `json:"settings"`
}

// Disk is the file system of the data folder, in octets.
type Disk struct {
	Folder string `json:"folder"`
	Free   int64  `json:"free"`
	Total  int64  `json:"total"`
	Least  int64  `json:"min_free"` // below it nothing is accepted
}

// Setting is one setting in force; secrets in it are masked.
type Setting struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Meaning string `json:"meaning"`
}

// SystemDesk is what the system calls need.
type SystemDesk interface {
	System() (System, error)
	// SetLogLevel takes debug, info, warn or error, until the process ends. The error names
	// what is allowed.
	SetLogLevel(level string) error
}

func (a *API) systemRoutes() {
	type methods = map[string]func(*call) error
	if a.opts.System == nil {
		return
	}
	a.on("/api/v1/system", admins, methods{"GET": (*call).system})
	a.on("/api/v1/system/log-level", admins, methods{"PUT": (*call).setLogLevel})
}

func (c *call) system() error {
	s, err := c.api.opts.System.System()
	if err != nil {
		return err
	}
	s.Started = c.api.started.UTC()
	return c.document(200, s)
}

func (c *call) setLogLevel() error {
	var body struct {
		Level string `json:"level"`
	}
	if _, err := c.into(&body, nil); err != nil {
		return err
	}
	if err := c.api.opts.System.SetLogLevel(body.Level); err != nil {
		return &problem{code: "validation_failed", detail: err.Error(), faults: []fault{{"/level", "invalid_value", err.Error()}}}
	}
	c.api.opts.Logger.Warn("log level set", "level", body.Level, "account", c.who.Name)
	return c.document(200, map[string]string{"log_level": body.Level})
}
