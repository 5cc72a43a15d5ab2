package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	initArgument = "container-init"
	// As container runtimes say that a container could not be started.
	cannotStart = 128
	// The file descriptor that gets a byte when the command runs.
	readyDescriptor = 3
)

// A file or folder of this machine that is seen in a container.
type bind struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"readOnly"`
}

// All that the first process of a container is told, as JSON on its standard input.
type containerSpec struct {
	// An empty folder to mount the container's root on.
	Root         string   `json:"root"`
	Binds        []bind   `json:"binds"`
	ReadOnlyRoot bool     `json:"readOnlyRoot"`
	Hostname     string   `json:"hostname"`
	Command      []string `json:"command"`
	Env          []string `json:"env"`
	Directory    string   `json:"directory"`
	User         uint32   `json:"user"`
	Group        uint32   `json:"group"`
	Groups       []uint32 `json:"groups"`
}

// What a program needs of the machine to run at all. There is neither a shell nor any other tool.
var machineFiles = []string{
	"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/usr/share/ca-certificates",
	"/etc/ld.so.cache", "/etc/ssl", "/etc/pki", "/etc/resolv.conf", "/etc/nsswitch.conf",
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
}

// The first process in the namespaces of a container: makes its root, then runs its command, passes signals on to it and
// ends with its exit code. When it ends, the kernel kills all that is left in the container.
func runInit() int {
	// no_new_privs is a property of the thread that forks.
	runtime.LockOSThread()
	syscall.CloseOnExec(readyDescriptor)
	var spec containerSpec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return refuse(err)
	}
	if err := enterRoot(spec); err != nil {
		return refuse(err)
	}
	code, err := runCommand(spec)
	if err != nil {
		return refuse(err)
	}
	return code
}

func refuse(err error) int {
	fmt.Fprintln(os.Stderr, "lablet-node: the container cannot be started:", err)
	return cannotStart
}

func enterRoot(spec containerSpec) error {
	if err := unix.Sethostname([]byte(spec.Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	// From here on no mount reaches the machine.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", spec.Root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount the root: %w", err)
	}
	for _, path := range machineFiles {
		if err := share(spec.Root, path); err != nil {
			return err
		}
	}
	for _, each := range spec.Binds {
		if err := bindInto(spec.Root, each); err != nil {
			return err
		}
	}
	for path, mode := range map[string]os.FileMode{"/tmp": 0o777 | os.ModeSticky, "/proc": 0o555, spec.Directory: 0o755} {
		if err := makeFolder(filepath.Join(spec.Root, path), mode); err != nil {
			return err
		}
	}
	if err := unix.Mount("proc", filepath.Join(spec.Root, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := errors.Join(unix.Chdir(spec.Root), unix.PivotRoot(".", "."), unix.Unmount(".", unix.MNT_DETACH), unix.Chdir("/")); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if spec.ReadOnlyRoot {
		if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
			return fmt.Errorf("make the root read-only: %w", err)
		}
	}
	return nil
}

// A folder that is there already, as that of a volume at /tmp, keeps its mode.
func makeFolder(path string, mode os.FileMode) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// Shows a file of the machine at its own path, as the same link where it is one.
func share(root, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink != 0 && filepath.Dir(path) == "/" {
		link, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return os.Symlink(link, filepath.Join(root, path))
	}
	return bindInto(root, bind{Source: path, Target: path, ReadOnly: info.Mode()&os.ModeDevice == 0})
}

func bindInto(root string, each bind) error {
	source, err := filepath.EvalSymlinks(each.Source)
	if err != nil {
		return err
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	target := filepath.Join(root, each.Target)
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = touch(target)
	}
	if err != nil {
		return fmt.Errorf("make room for %s: %w", each.Target, err)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", each.Target, err)
	}
	if !each.ReadOnly {
		return nil
	}
	if err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", each.Target, err)
	}
	return nil
}

func touch(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}

func runCommand(spec containerSpec) (int, error) {
	// For the look-up of a command without a slash, in the container's own PATH.
	os.Clearenv()
	for _, pair := range spec.Env {
		if err := setenv(pair); err != nil {
			return 0, err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("set no_new_privs: %w", err)
	}
	command := exec.Command(spec.Command[0], spec.Command[1:]...)
	command.Dir, command.Env = spec.Directory, spec.Env
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: spec.User, Gid: spec.Group, Groups: spec.Groups}}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	if err := command.Start(); err != nil {
		return 0, err
	}
	ready := os.NewFile(readyDescriptor, "ready")
	if _, err := ready.Write([]byte{1}); err != nil {
		return 0, err
	}
	_ = ready.Close()
	go func() {
		for received := range signals {
			_ = command.Process.Signal(received)
		}
	}()
	return reap(command.Process.Pid)
}

// The first process inherits what others leave behind: it waits for all, until the command itself ends.
func reap(main int) (int, error) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, err
		case pid == main && status.Signaled():
			return 128 + int(status.Signal()), nil
		case pid == main && status.Exited():
			return status.ExitStatus(), nil
		}
	}
}

func setenv(pair string) error {
	for index, char := range pair {
		if char == '=' {
			return os.Setenv(pair[:index], pair[index+1:])
		}
	}
	return fmt.Errorf("no variable: %q", pair)
}
