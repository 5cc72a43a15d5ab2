package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What a probe or a hook acts on: one run of one container.
type target struct {
	ip        string
	pid       int
	container *v1.Container
	spec      containerSpec
}

// Tells `verdict` each time that the outcome changes, until the context ends. The first verdict of success comes after
// successThreshold good answers in a row, that of failure after failureThreshold bad ones.
func watchProbe(ctx context.Context, probe *v1.Probe, on target, verdict func(ok bool, reason string)) {
	if !sleep(ctx, seconds(probe.InitialDelaySeconds)) {
		return
	}
	var good, bad int32
	for {
		limited, cancel := context.WithTimeout(ctx, max(time.Second, seconds(probe.TimeoutSeconds)))
		err := on.ask(limited, probe.ProbeHandler)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			good, bad = good+1, 0
		} else {
			good, bad = 0, bad+1
		}
		if err == nil && good == max(1, probe.SuccessThreshold) {
			verdict(true, "")
		}
		if err != nil && bad == max(1, probe.FailureThreshold) {
			verdict(false, err.Error())
		}
		if !sleep(ctx, max(time.Second, seconds(probe.PeriodSeconds))) {
			return
		}
	}
}

func (t target) ask(ctx context.Context, handler v1.ProbeHandler) error {
	switch {
	case handler.HTTPGet != nil:
		return t.get(ctx, handler.HTTPGet)
	case handler.TCPSocket != nil:
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.at(handler.TCPSocket.Host, handler.TCPSocket.Port))
		if err != nil {
			return err
		}
		return connection.Close()
	case handler.Exec != nil:
		output, err := t.command(ctx, handler.Exec.Command).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(output)))
		}
		return nil
	}
	return errors.New("this node has httpGet, tcpSocket and exec probes only")
}

// The kubelet trusts the certificate of a probed server, whatever it is.
var prober = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}} //nolint:gosec

func (t target) get(ctx context.Context, action *v1.HTTPGetAction) error {
	url := strings.ToLower(string(action.Scheme)) + "://" + t.at(action.Host, action.Port) + "/" + strings.TrimPrefix(action.Path, "/")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "kube-probe/lablet-node")
	for _, header := range action.HTTPHeaders {
		request.Header.Set(header.Name, header.Value)
	}
	response, err := prober.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		return fmt.Errorf("HTTP probe failed with statuscode: %d", response.StatusCode)
	}
	return nil
}

func (t target) at(host string, port intstr.IntOrString) string {
	if host == "" {
		host = t.ip
	}
	number := port.IntValue()
	for _, named := range t.container.Ports {
		if port.Type == intstr.String && named.Name == port.StrVal {
			number = int(named.ContainerPort)
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(number))
}

// A command inside of the running container, as its user.
func (t target) command(ctx context.Context, command []string) *exec.Cmd {
	arguments := []string{
		"--target", strconv.Itoa(t.pid), "--mount", "--pid", "--uts", "--ipc", "--root", "--wd",
		"--setgid", strconv.Itoa(int(t.spec.Group)), "--setuid", strconv.Itoa(int(t.spec.User)), "--",
	}
	entered := exec.CommandContext(ctx, "nsenter", append(arguments, command...)...)
	entered.Env = t.spec.Env
	return entered
}

// Waits for what a container wants to be done before it is told to end.
func (t target) beforeStop(ctx context.Context) error {
	if t.container.Lifecycle == nil || t.container.Lifecycle.PreStop == nil {
		return nil
	}
	hook := t.container.Lifecycle.PreStop
	if hook.Sleep != nil {
		sleep(ctx, time.Duration(hook.Sleep.Seconds)*time.Second)
		return nil
	}
	return t.ask(ctx, v1.ProbeHandler{Exec: hook.Exec, HTTPGet: hook.HTTPGet})
}

func seconds(count int32) time.Duration { return time.Duration(count) * time.Second }

// Whether the time passed before the context ended.
func sleep(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
