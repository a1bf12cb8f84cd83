// A sandbox that is on disk and runs, as far as anybody can see: its process is the test itself, which answers on the
// control socket and then plays the guest's agent, or whoever tells of the sandbox's command.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "base/private_files.h"
#include "cloche/sandbox.h"
#include "sandbox/home.h"
#include "sandbox/life.h"
#include "sandbox/peer.h"
#include "wire/control.h"

namespace cloche {

class FakeSandbox {
 public:
  explicit FakeSandbox(const SandboxConfig& config = {.name = "box"}) {
    directory_ = "/dev/shm/cloche-sandbox-XXXXXX";  // On a disk, each state written waits for it.
    EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    ::setenv("XDG_RUNTIME_DIR", directory_.c_str(), 1);
    home_.emplace(sandbox::Home::open(directory_ + "/home").value());
    EXPECT_TRUE(home_->add({.id = kId, .created_ns = 1, .config = config}));
    std::string run = home_->make_run_directory(kId).value();
    life_ = sandbox::take_life(run).value();
    set_status(SandboxStatus::kRunning);
    listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::string path = run + "/" + wire::kControlSocket;
    EXPECT_LT(path.copy(address.sun_path, sizeof address.sun_path - 1), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
  }
  FakeSandbox(const FakeSandbox&) = delete;
  FakeSandbox& operator=(const FakeSandbox&) = delete;
  ~FakeSandbox() {
    wait();
    std::filesystem::remove_all(directory_);
  }

  Sandbox open() const { return Sandbox::open("box", home_->path()).value(); }
  const std::string& home() const { return home_->path(); }
  std::string directory() const { return home_->directory(kId); }
  void set_status(SandboxStatus status, const std::string& reason = {}) {
    std::string text = sandbox::encode(sandbox::State{.status = status, .pid = ::getpid(), .reason = reason});
    EXPECT_TRUE(write_private_file(directory() + "/" + sandbox::kStateFile, std::as_bytes(std::span(text))));
  }
  void end(SandboxStatus status, const std::string& reason) {
    set_status(status, reason);
    listener_.reset();
    life_.reset();
  }

  // Takes one client with one request, which is accepted, and leaves it to `play`, on a thread of its own.
  void serve(std::function<void(sandbox::Peer&)> play) {
    wait();
    thread_ = std::thread([this, play = std::move(play)] {
      Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      std::array<std::byte, wire::FrameHeader::kSize> request;
      if (!client || read_full(client.get(), request).value_or(0) != request.size()) return;
      if (!write_full(client.get(), wire::encode_control(wire::ControlFrame::kAccepted))) return;
      sandbox::Peer peer(std::move(client));
      play(peer);
    });
  }
  // The same as the guest's agent, which has a word for each request.
  void serve_agent(std::vector<std::vector<std::byte>> answers) {
    serve([answers = std::move(answers)](sandbox::Peer& peer) {
      static_cast<void>(peer.send(wire::encode(wire::AgentFrame::kWelcome, wire::Welcome{})));
      static_cast<void>(peer.receive());
      for (const auto& answer : answers) static_cast<void>(peer.send(answer));
      while (peer.receive().value_or(std::nullopt)) {  // Until the client has gone.
      }
    });
  }

  // Until that client's serving is over.
  void wait() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  static constexpr const char* kId = "0123456789ab";
  std::string directory_;
  std::optional<sandbox::Home> home_;
  Fd life_, listener_;
  std::thread thread_;
};

}  // namespace cloche
