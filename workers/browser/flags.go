package browser

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// nobody is the user that Chrome runs as when this process is root, whom its sandbox refuses.
const nobody = 65534

// ErrNoEngine is the error of an engine that is not installed.
var ErrNoEngine = errors.New("not installed")

// binaries are the executables of the named engines, in order of preference.
// The packages' wrappers in /usr/bin are shell scripts that stay around as a
// parent process, so the real executables come first.
var binaries = map[Engine][]string{
	EngineShell:    {"/usr/lib/chromium/chromium-headless-shell", "chromium-headless-shell", "chrome-headless-shell", "headless-shell"},
	EngineChromium: {"/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome"},
}

// find returns the executable of an engine, and whether it is the headless shell.
func find(engine Engine) (path string, shell bool, err error) {
	switch engine {
	case EngineAuto:
		if path, ok := firstOf(binaries[EngineShell]); ok {
			return path, true, nil
		}
		if path, ok := firstOf(binaries[EngineChromium]); ok {
			return path, false, nil
		}
		return "", false, fmt.Errorf("no Chrome found: install the Debian package chromium-headless-shell (or chromium), or name the executable")
	case EngineShell, EngineChromium:
		if path, ok := firstOf(binaries[engine]); ok {
			return path, engine == EngineShell, nil
		}
		return "", false, fmt.Errorf("engine %q is %w: install the Debian package of that name, or name the executable", engine, ErrNoEngine)
	}
	path, err = exec.LookPath(string(engine))
	if err != nil {
		return "", false, fmt.Errorf("engine %q is %w: %w", engine, ErrNoEngine, err)
	}
	// The Debian wrapper would only add a process.
	if real, ok := strings.CutPrefix(path, "/usr/bin/"); ok {
		if unwrapped := filepath.Join("/usr/lib/chromium", real); executable(unwrapped) {
			path = unwrapped
		}
	}
	return path, strings.Contains(filepath.Base(path), "shell"), nil
}

func firstOf(names []string) (string, bool) {
	for _, name := range names {
		if filepath.IsAbs(name) {
			if executable(name) {
				return name, true
			}
			continue
		}
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// disabledFeatures are Chromium features that make requests of their own, keep
// pages alive after they were left, or change an address before it is asked for.
var disabledFeatures = []string{
	"AutofillServerCommunication", "BackForwardCache", "CertificateTransparencyComponentUpdater",
	"DialMediaRouteProvider", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "InterestFeedContentSuggestions",
	"MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints", "Translate", "WebRtcHideLocalIpsWithMdns",
}

// arguments is Chrome's command line without what differs from start to start.
func arguments(shell bool, spki string) []string {
	args := []string{
		"--remote-debugging-pipe",
		"--no-first-run", "--no-default-browser-check", "--no-service-autorun",
		// Requests of Chrome's own.
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
		"--disable-extensions", "--disable-client-side-phishing-detection", "--disable-domain-reliability",
		"--disable-breakpad", "--disable-crash-reporter", "--disable-field-trial-config", "--metrics-recording-only",
		"--disable-features=" + strings.Join(disabledFeatures, ","),
		// Everything goes through the recorder. The default context, which no
		// page uses, leads nowhere; contexts bring their own proxy.
		"--proxy-server=http://127.0.0.1:9", "--proxy-bypass-list=<-loopback>",
		"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--dns-prefetch-disable",
		"--disable-quic",
		"--force-webrtc-ip-handling-policy=disable_non_proxied_udp", "--webrtc-ip-handling-policy=disable_non_proxied_udp",
		"--ignore-certificate-errors-spki-list=" + spki,
		// Pages work as in a window that is being looked at.
		"--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
		"--disable-hang-monitor", "--disable-prompt-on-repost", "--deny-permission-prompts",
		"--enable-automation", "--password-store=basic", "--use-mock-keychain",
		"--mute-audio", "--hide-scrollbars", "--force-color-profile=srgb",
		// A page that fills its heap ends its own renderer, long before the worker's
		// memory is short: in MiB, Chrome's own bound is 4 GiB a page.
		"--js-flags=--max-old-space-size=1024",
	}
	if shell {
		// A page's window.open gives null, as where windows are blocked, and its address is
		// told all the same. To make a window and close it takes so long that a page which
		// opens a thousand would not be done in its time. (Chromium itself blocks windows
		// that nobody clicked for.)
		args = append(args, "--block-new-web-contents")
	} else {
		args = append(args, "--headless=new")
	}
	if smallSharedMemory() {
		args = append(args, "--disable-dev-shm-usage")
	}
	return args
}

// smallSharedMemory reports whether /dev/shm is too small for Chrome, as a
// container's 64 MB are.
func smallSharedMemory() bool {
	var st syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &st); err != nil {
		return true
	}
	return int64(st.Blocks)*st.Bsize < 512<<20
}
