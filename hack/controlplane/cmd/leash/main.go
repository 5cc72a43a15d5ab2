// Command leash runs another command and never lets it outlive the process that holds its standard input.
//
//	leash COMMAND [ARG...]
//
// The starter keeps the write end of a pipe to leash's standard input open and writes nothing. The kernel closes that
// end when the starter ends, however it ends (kill -9 included); leash then kills the command. SIGTERM and SIGINT are
// passed on, so that a starter can also ask for a graceful end; the exit code is the command's (128+n for signal n).
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: leash COMMAND [ARG...]")
		os.Exit(2)
	}
	// A parent-death signal is tied to the thread that forks: the main goroutine stays on the main thread.
	runtime.LockOSThread()

	command := exec.Command(os.Args[1], os.Args[2:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = ownProcessGroup()

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if err := command.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "leash:", err)
		os.Exit(127)
	}
	go func() {
		for received := range signals {
			_ = command.Process.Signal(received)
		}
	}()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	}()
	os.Exit(exitCode(command.Wait()))
}

func exitCode(err error) int {
	var failed *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		if status, ok := failed.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal())
		}
		return failed.ExitCode()
	default:
		fmt.Fprintln(os.Stderr, "leash:", err)
		return 1
	}
}
