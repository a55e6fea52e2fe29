package urls

func canonicalize(base, ref string) (string, error) { panic("being written") }
func makeSURT(raw string) SURT                      { panic("being written") }
func registrableHost(host string) string            { panic("being written") }
func politenessKey(raw string) (string, error)      { panic("being written") }
func origin(raw string) (string, error)             { panic("being written") }
