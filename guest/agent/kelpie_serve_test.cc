// serve_kelpie() as kelpie's host sees it: over a socket pair, with commands and files of this computer.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "guest/agent/kelpie.h"
#include "guest/agent/kelpie_request.h"
#include "guest/agent/testing/host.h"

namespace cloche::agent {
namespace {

using nlohmann::json;

// Kelpie's host at the other end of serve_kelpie().
class KelpieServeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, [](int) {});
    char path[] = "/tmp/cloche-kelpie-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    top_ = path;
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    host_ = Fd(ends[0]);
    wire::Exec defaults = testing::shell("");
    defaults.environment.emplace_back("A=default");
    defaults.working_directory = top_;
    server_ = std::thread(
        [this, defaults, end = ends[1]] { serve_kelpie(Fd(end), {defaults, {}, [this] { ++shut_downs_; }}); });
  }
  void TearDown() override {
    hang_up();
    std::filesystem::remove_all(top_);
  }
  // A process that serves a command may hold a copy of our end, as it was forked off this very program.
  void hang_up() {
    if (host_) ::shutdown(host_.get(), SHUT_RDWR);
    host_.reset();
    if (server_.joinable()) server_.join();
  }

  void send_raw(uint32_t size, std::string_view bytes) const {
    std::string frame;
    for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(size >> shift);
    frame += bytes;
    EXPECT_TRUE(write_full(host_.get(), std::as_bytes(std::span(frame))));
  }
  void send(std::string_view text) const { send_raw(static_cast<uint32_t>(text.size()), text); }
  std::string receive() const {
    std::array<uint8_t, 4> raw{};
    EXPECT_EQ(read_full(host_.get(), std::as_writable_bytes(std::span(raw))).value(), 4u);
    std::string text(size_t{raw[0]} << 24 | size_t{raw[1]} << 16 | size_t{raw[2]} << 8 | raw[3], '\0');
    EXPECT_EQ(read_full(host_.get(), std::as_writable_bytes(std::span(text))).value(), text.size());
    return text;
  }
  json ask(const json& request) const {
    send(request.dump());
    return json::parse(receive());
  }
  static json exec(const std::string& script) {
    return {{"type", "exec"}, {"command", "sh"}, {"args", {"-c", script}}};
  }

  std::string top_;
  Fd host_;
  std::thread server_;
  int shut_downs_ = 0;
};

TEST_F(KelpieServeTest, Commands) {
  json reply = ask(exec("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(reply, json({{"type", "exec_result"}, {"exit_code", 3}, {"stdout", "out\n"}, {"stderr", "err\n"}}));
  json with = exec("echo $A $B; pwd; cat");
  with["env"] = json::array({json::array({"B", "2"}), json::array({"A", "1"})});
  with["cwd"] = top_ + "/made/for/it";
  with["stdin"] = "through";
  EXPECT_EQ(ask(with)["stdout"], "1 2\n" + top_ + "/made/for/it\nthrough");
  EXPECT_EQ(ask(exec("echo $A; pwd"))["stdout"], "default\n" + top_ + "\n");
  reply = ask(exec("kill -9 $$"));
  EXPECT_EQ(reply["exit_code"], -1);
  EXPECT_EQ(reply["signal"], 9);
  for (const char* missing : {"no-such-program", "/etc/passwd", "/"})
    EXPECT_EQ(ask({{"type", "exec"}, {"command", missing}})["type"], "error") << missing;
}

TEST_F(KelpieServeTest, MuchInputAndOutput) {
  json request = exec("cat");
  std::string text;
  for (int line = 0; line < 200'000; ++line) text += std::to_string(line) + '\n';
  request["stdin"] = text;
  EXPECT_EQ(ask(request)["stdout"], text);
  request = exec("exec <&-; echo not read");
  request["stdin"] = text;
  EXPECT_EQ(ask(request)["stdout"], "not read\n");
  json reply = ask(exec("head -c 11000000 /dev/zero | tr '\\0' x; exit 4"));
  EXPECT_EQ(reply["stdout"], std::string(10 << 20, 'x'));
  EXPECT_EQ(reply["exit_code"], 4);
  EXPECT_EQ(reply["stdout_truncated"], true);
}

TEST_F(KelpieServeTest, ATimeoutEndsTheProcessGroup) {
  json request = exec("trap '' TERM; echo before; sleep 600 & sleep 600; wait");
  request["timeout_ms"] = 300;
  json reply = ask(request);
  EXPECT_EQ(reply["stdout"], "before\n");
  EXPECT_EQ(reply["timed_out"], true);
  EXPECT_EQ(reply["signal"], 9);
}

TEST_F(KelpieServeTest, AHostThatIsGoneTakesItsCommandAlong) {
  send(exec("echo $$ > pid; exec sleep 600").dump());
  std::string pid;
  while (pid.empty()) {
    std::ifstream(top_ + "/pid") >> pid;
    ::usleep(1000);
  }
  hang_up();  // Returns when the command is gone.
  EXPECT_FALSE(std::filesystem::exists("/proc/" + pid));
}

TEST_F(KelpieServeTest, Files) {
  std::string path = top_ + "/file";
  json write{{"type", "write_file"}, {"path", path}, {"contents", "AAECA/8="}};
  EXPECT_EQ(ask(write), json({{"type", "success"}}));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0644u);
  // Written over, it keeps its mode; and a relative path is one of the sandbox's directory.
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  write["path"] = "file";
  write["contents"] = "SGk=";
  EXPECT_EQ(ask(write), json({{"type", "success"}}));
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(ask({{"type", "read_file"}, {"path", path}})["contents"], "SGk=");
  ASSERT_EQ(::mkfifo((top_ + "/pipe").c_str(), 0600), 0);
  json listing{{"type", "directory_listing"}, {"files", {"file", "pipe"}}};
  EXPECT_EQ(ask({{"type", "list_dir"}, {"path", top_}}), listing);
  for (const char* bad : {"missing", "pipe", ".", "/dev/zero", "file/x"}) {
    EXPECT_EQ(ask({{"type", "read_file"}, {"path", bad}})["type"], "error") << bad;
    if (std::string_view(bad) == "missing") continue;
    write["path"] = bad;
    EXPECT_EQ(ask(write)["type"], "error") << bad;
  }
  EXPECT_EQ(ask({{"type", "list_dir"}, {"path", path}})["type"], "error");
}

TEST_F(KelpieServeTest, WhatIsWrongIsAnErrorAndTheConnectionGoesOn) {
  send("{");
  EXPECT_EQ(json::parse(receive())["type"], "error");
  send("");
  EXPECT_EQ(json::parse(receive())["type"], "error");
  send_raw(kMostKelpieRequest + 1, std::string(kMostKelpieRequest + 1, 'x'));
  EXPECT_EQ(json::parse(receive())["type"], "error");
  send("{\"type\":\"ping\"}" + std::string(kMostKelpieRequest - 15, ' '));  // The largest.
  EXPECT_EQ(receive(), R"({"type":"pong"})");
  // Two at once are answered in order.
  send("{\"type\":\"ping\"}");
  send("{\"type\":\"list_dir\",\"path\":\"" + top_ + "\"}");
  EXPECT_EQ(receive(), R"({"type":"pong"})");
  EXPECT_EQ(json::parse(receive())["type"], "directory_listing");
  send_raw(100, "cut short");
}

TEST_F(KelpieServeTest, ShutdownIsAnsweredAndPassedOn) {
  EXPECT_EQ(ask({{"type", "shutdown"}}), json({{"type", "success"}}));
  EXPECT_EQ(ask({{"type", "ping"}}), json({{"type", "pong"}}));
  hang_up();
  EXPECT_EQ(shut_downs_, 1);
}

}  // namespace
}  // namespace cloche::agent
