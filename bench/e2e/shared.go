package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"protei-bulk/bench/e2e/drive"
	"protei-bulk/internal/servers"
)

// shared are the servers of a run whose platform is one node of several, or could be.
type shared struct {
	postgres *servers.Postgres
	redis    *servers.Redis
	urls     []string // of the database of each node, or of all
}

// startShared starts PostgreSQL, with fsync, and Redis, as the options say.
func startShared(o *options, dir string) (*shared, error) {
	s := &shared{}
	if o.store == "" {
		return s, nil
	}
	var err error
	if s.postgres, err = servers.NewPostgres(dir, "shared_buffers = 512MB", "wal_compression = on", "checkpoint_timeout = 15min"); err != nil {
		return s, err
	}
	databases := 1
	if o.apart {
		databases = o.nodes
	}
	for range databases {
		url, err := s.postgres.NewDatabase()
		if err != nil {
			return s, err
		}
		s.urls = append(s.urls, url)
	}
	if o.queue != "" {
		s.redis, err = servers.NewRedis(dir)
	}
	return s, err
}

// args are those of a node.
func (s *shared) args(node int) (args []string) {
	database := node % max(1, len(s.urls))
	if s.postgres != nil {
		args = append(args, "--store", s.urls[database])
	}
	if s.redis != nil {
		args = append(args, "--queue", strings.TrimSuffix(s.redis.URL(), "/0")+"/"+strconv.Itoa(database))
	}
	return args
}

func (s *shared) stop() error {
	var errs []error
	if s.redis != nil {
		errs = append(errs, s.redis.Stop())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Stop())
	}
	return errors.Join(errs...)
}

// cpu is the processor time of both servers.
func (s *shared) cpu() (postgres, redis time.Duration) {
	if s.postgres != nil {
		postgres = familyCPU(s.postgres.PID())
	}
	if s.redis != nil {
		redis = drive.CPU(s.redis.PID())
	}
	return postgres, redis
}

// familyCPU is the processor time of a process and its children.
func familyCPU(pid int) time.Duration {
	sum := drive.CPU(pid)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended
		}
		f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(f) > 2 && f[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err == nil {
				sum += drive.CPU(child)
			}
		}
	}
	return sum
}
