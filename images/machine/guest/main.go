// Command guest is the first process of a machine that is made of the worker's image: it archives a page of its own with each browser,
// verifies the archives, and turns the machine off. What it writes to the console is what the test of the image reads.
//
//	guest UID:GID BROWSER...
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"unsafe"
)

const (
	address = "127.0.0.1:8080"
	page    = "<!doctype html><title>-</title><p>Seen from a machine<script>document.title = 'A script ' + 'ran'</script>"
)

func main() {
	// (If the first process ended by itself, the kernel would panic.)
	defer off()
	if err := setUp(); err != nil {
		fmt.Println("guest:", err)
		return
	}
	user, browsers := os.Args[1], os.Args[2:]
	var as syscall.Credential
	if _, err := fmt.Sscanf(user, "%d:%d", &as.Uid, &as.Gid); err != nil {
		fmt.Printf("guest: the user %q: %v\n", user, err)
		return
	}
	if err := os.Chown("/scratch", int(as.Uid), int(as.Gid)); err != nil {
		fmt.Println("guest:", err)
		return
	}
	go func() { fmt.Println("guest:", http.ListenAndServe(address, http.HandlerFunc(serve))) }()
	run(as, "/usr/local/bin/worker", "--version")
	for _, browser := range browsers {
		archive := "/scratch/" + browser + ".wacz"
		run(as, "/usr/bin/tini", "-s", "--", "/opt/crawlctl", "capture", "--verbose", "--json", "--chrome", browser,
			"--allow-private", "127.0.0.0/8", "--dir", "/scratch", "--out", archive, "http://"+address+"/")
		run(as, "/opt/crawlctl", "verify", archive)
	}
}

// setUp mounts what a container's runtime would, and brings up the loopback network.
func setUp() error {
	for _, m := range []struct{ kind, at, options string }{
		{"proc", "/proc", ""}, {"sysfs", "/sys", ""}, {"devtmpfs", "/dev", ""}, {"tmpfs", "/dev/shm", "mode=1777"}, {"tmpfs", "/tmp", "mode=1777"}, {"tmpfs", "/scratch", ""},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(m.kind, m.at, m.kind, 0, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(s) }()
	// netdevice(7): struct ifreq.
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(s), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("bring up the loopback network: %w", errno)
	}
	return nil
}

func serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, page)
}

// run runs a program and says how it ended.
func run(as syscall.Credential, args ...string) {
	cmd := exec.Command(args[0], args[1:]...)
	// (Through a pipe: to a terminal it would be written in colours.)
	cmd.Stdout = struct{ io.Writer }{os.Stdout}
	cmd.Stderr = cmd.Stdout
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/scratch"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &as}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Printf("\nguest: %s: %v\n", strings.Join(args, " "), err)
		return
	}
	fmt.Printf("\nguest: exit %d: %s\n", cmd.ProcessState.ExitCode(), strings.Join(args, " "))
}

func off() {
	syscall.Sync()
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("guest: turn the machine off:", err)
	}
}
