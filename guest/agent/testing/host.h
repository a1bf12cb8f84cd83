// The host at the other end of serve(), for tests: in the same process, over a socket pair.
#pragma once

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "guest/agent/exec.h"
#include "guest/agent/serve.h"

namespace cloche::agent::testing {

class Host {
 public:
  Host();
  ~Host();  // Closes, and waits until serve() has returned.

  void send(const std::vector<std::byte>& frame);
  // The next frame; fails the test when the connection is closed.
  Frame receive();
  // The next one, which must be of `type`; its payload.
  std::vector<std::byte> expect(wire::AgentFrame type);
  wire::AgentError expect_error();
  void expect_done() { expect(wire::AgentFrame::kDone); }
  // Says that it sends no more, and closes.
  void hang_up();

  // Runs `exec` with `input` to its end.
  struct Ran {
    wire::ExecEnded ended;
    std::string output, error;
  };
  Ran run(const wire::Exec& exec, const std::string& input = {});

 private:
  std::optional<Peer> peer_;
  std::thread server_;
};

wire::Exec shell(const std::string& script);
std::string text_of(const std::vector<std::byte>& bytes);
std::vector<std::byte> bytes_of(const std::string& text);

}  // namespace cloche::agent::testing
