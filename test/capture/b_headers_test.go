package capture

func headers() []testCase { return nil }
func bodies() []testCase  { return nil }
