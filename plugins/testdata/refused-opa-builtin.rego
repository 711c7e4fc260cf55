# OPA: Wants to know the time and to make requests.
# entrypoints: test/deny
package test

deny contains "x" if time.now_ns() > 0

deny contains "y" if http.send({"method": "get", "url": "http://localhost"}).status_code == 200
