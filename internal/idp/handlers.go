package idp

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const maxForm = 16 << 10

//go:embed login.html
var loginHTML string

var loginPage = template.Must(template.New("login").Parse(loginHTML))

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.public()) })
	mux.HandleFunc("GET /authorize", s.ask)
	mux.HandleFunc("POST /authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /logout", s.logout)
	return mux
}

// discovery is what the provider says of itself (OpenID Connect Discovery 1.0 section 3).
func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer": s.Issuer, "authorization_endpoint": s.Issuer + "/authorize", "token_endpoint": s.Issuer + "/token",
		"jwks_uri": s.Issuer + "/keys", "end_session_endpoint": s.Issuer + "/logout",
		"response_types_supported": []string{"code"}, "grant_types_supported": []string{"authorization_code"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		"scopes_supported": []string{"openid", "profile", "email", "groups"}, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post", "none"},
		"authorization_response_iss_parameter_supported": true,
	})
}

// request is what a client asks for (OpenID Connect Core 1.0 section 3.1.2.1).
type request struct {
	redirect *url.URL
	query    url.Values
}

// read checks a request. Who asks for another client, or to be sent elsewhere, is sent nowhere.
func (s *Server) read(query url.Values) (request, string) {
	redirect, err := url.Parse(query.Get("redirect_uri"))
	switch {
	case query.Get("client_id") != s.options.ClientID:
		return request{}, "There is no such client."
	case err != nil || !slices.Contains(s.options.Redirects, query.Get("redirect_uri")):
		return request{}, "The client may not have people sent there."
	}
	return request{redirect, query}, ""
}

// wrong is the error of a request that the client is told of (RFC 6749 section 4.1.2.1).
func (q request) wrong() string {
	switch {
	case q.query.Get("response_type") != "code":
		return "unsupported_response_type"
	case q.query.Get("code_challenge_method") != "S256" || len(q.query.Get("code_challenge")) != 43:
		return "invalid_request"
	case !slices.Contains(strings.Fields(q.query.Get("scope")), "openid"):
		return "invalid_scope"
	}
	return ""
}

// ask shows the form to log in with.
func (s *Server) ask(w http.ResponseWriter, r *http.Request) {
	q, wrong := s.read(r.URL.Query())
	switch {
	case wrong != "":
		http.Error(w, wrong, http.StatusBadRequest)
	case q.wrong() != "":
		s.back(w, r, q, "error", q.wrong())
	default:
		s.form(w, http.StatusOK, "")
	}
}

// form shows the form. It posts to the address that it has, with the client's request.
func (s *Server) form(w http.ResponseWriter, status int, wrong string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = loginPage.Execute(w, struct { // the visitor may have gone
		Users []User
		Wrong string
	}{s.options.Users, wrong})
}

// authorize takes the form and sends the person back with a code.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q, wrong := s.read(r.URL.Query())
	if wrong != "" {
		http.Error(w, wrong, http.StatusBadRequest)
		return
	}
	if wrong := q.wrong(); wrong != "" {
		s.back(w, r, q, "error", wrong)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.PostFormValue("cancel") != "" {
		s.back(w, r, q, "error", "access_denied")
		return
	}
	user, ok := s.user(r.PostFormValue("user"))
	if !ok || !equal(user.Password, r.PostFormValue("password")) {
		s.form(w, http.StatusForbidden, "The password is not right.")
		return
	}
	code, err := s.issue(grant{
		user: user, redirect: q.query.Get("redirect_uri"), nonce: q.query.Get("nonce"), challenge: q.query.Get("code_challenge"),
	})
	if err != nil {
		s.back(w, r, q, "error", "temporarily_unavailable")
		return
	}
	s.back(w, r, q, "code", code)
}

// back sends a person back to the client, with who sends them (RFC 9207).
func (s *Server) back(w http.ResponseWriter, r *http.Request, q request, name, value string) {
	to := *q.redirect
	query := to.Query()
	query.Set(name, value)
	query.Set("iss", s.Issuer)
	if state := q.query.Get("state"); state != "" {
		query.Set("state", state)
	}
	to.RawQuery = query.Encode()
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// token exchanges a code for an ID token (OpenID Connect Core 1.0 section 3.1.3).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if !s.authenticated(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="idp"`)
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	if r.PostFormValue("grant_type") != "authorization_code" {
		answer(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	g, ok := s.redeem(r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || g.redirect != r.PostFormValue("redirect_uri") || !equal(g.challenge, base64.RawURLEncoding.EncodeToString(sum[:])) {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	claims, err := s.Claims(g.user.Name, g.nonce)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	signed, err := s.Sign(claims)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	// The access token opens nothing: there is nothing here to open.
	answer(w, http.StatusOK, map[string]any{
		"access_token": rand.Text(), "token_type": "Bearer", "expires_in": int(s.tokenFor().Seconds()), "id_token": signed,
	})
}

// authenticated tells whether the client asks (RFC 6749 section 2.3.1).
func (s *Server) authenticated(r *http.Request) bool {
	id, secret, basic := r.BasicAuth()
	if basic {
		id, secret = unescaped(id), unescaped(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	return equal(id, s.options.ClientID) && equal(secret, s.options.ClientSecret)
}

func unescaped(s string) string {
	plain, err := url.QueryUnescape(s)
	if err != nil {
		return ""
	}
	return plain
}

// logout sends a person back to the client: there is no session that could end.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	to := query.Get("post_logout_redirect_uri")
	if query.Get("client_id") != s.options.ClientID || !slices.Contains(s.options.Redirects, to) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("You are logged out.\n")) // the visitor may have gone
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func answer(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		status, b = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may have gone
}
