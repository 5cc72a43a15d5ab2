package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	v1 "k8s.io/api/core/v1"
)

// One run of a container: a process with mounts, process ids and a host name of its own, and the network of the machine.
type process struct {
	pid    int
	exited chan struct{}
	// Valid once `exited` is closed.
	code int
}

// Starts a container, whose output is appended to the file. When this returns, its command runs, or has failed to start and
// `exited` is or will be closed.
func startProcess(spec containerSpec, logFile string) (*process, error) {
	input, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(logFile), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ready, tellReady, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	command := exec.Command("/proc/self/exe", initArgument)
	command.ExtraFiles = []*os.File{tellReady}
	command.Stdin, command.Stdout, command.Stderr, command.Env = reader, log, log, []string{}
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setpgid:    true,
		// Nothing of a pod outlives its node.
		Pdeathsig: syscall.SIGKILL,
	}
	started := make(chan error)
	running := &process{exited: make(chan struct{})}
	go func() {
		// The signal is sent when the thread that forked ends: this one stays until the process has ended.
		runtime.LockOSThread()
		err := command.Start()
		_, _ = reader.Close(), tellReady.Close()
		if err == nil {
			running.pid = command.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		_ = command.Wait()
		running.code = exitCode(command.ProcessState)
		close(running.exited)
	}()
	if err := <-started; err != nil {
		_ = writer.Close()
		return nil, err
	}
	_, err = writer.Write(input)
	_ = writer.Close()
	// Until then nobody handles signals, and there is nothing to probe. It is closed when the container has ended instead.
	_, _ = ready.Read(make([]byte, 1))
	return running, err
}

func (p *process) signal(signal syscall.Signal) { _ = syscall.Kill(p.pid, signal) }

// 128+n for signal n, as the kubelet shows it.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// The user that a container runs as; `image` is that of the image.
func userOf(pod *v1.Pod, container *v1.Container, image int64) int64 {
	if context := container.SecurityContext; context != nil && context.RunAsUser != nil {
		return *context.RunAsUser
	}
	if context := pod.Spec.SecurityContext; context != nil && context.RunAsUser != nil {
		return *context.RunAsUser
	}
	return image
}

func groupOf(pod *v1.Pod, container *v1.Container, image int64) int64 {
	if context := container.SecurityContext; context != nil && context.RunAsGroup != nil {
		return *context.RunAsGroup
	}
	if context := pod.Spec.SecurityContext; context != nil && context.RunAsGroup != nil {
		return *context.RunAsGroup
	}
	return image
}

func supplementaryGroups(pod *v1.Pod) []uint32 {
	groups := []uint32{}
	if context := pod.Spec.SecurityContext; context != nil {
		if context.FSGroup != nil {
			groups = append(groups, uint32(*context.FSGroup))
		}
		for _, group := range context.SupplementalGroups {
			groups = append(groups, uint32(group))
		}
	}
	return groups
}

func isReadOnly(container *v1.Container) bool {
	return container.SecurityContext != nil && isTrue(container.SecurityContext.ReadOnlyRootFilesystem)
}
