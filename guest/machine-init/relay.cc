#include "relay.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace cloche::machine_init {
namespace {

using carrier::kMaxData;
using carrier::MessageType;
using carrier::Stream;

// Output that the connection has not taken yet: beyond it the command waits.
constexpr size_t kMaxUnsent = 256 << 10;
// What a terminal can hold back: its line discipline's buffer and the one before it, 4 and 64 KiB.
constexpr size_t kTerminalRest = 128 << 10;

constexpr std::array<Stream, carrier::kStreams> kAllStreams{Stream::kStdin, Stream::kStdout, Stream::kStderr,
                                                            Stream::kTerminal};

}  // namespace

Relay::Relay(carrier::Link& link, Command command, int children)
    : link_(link), command_(std::move(command)), children_(children) {
  inputs_[0].fd = std::move(command_.input);
  outputs_[1].fd = std::move(command_.output);
  outputs_[2].fd = std::move(command_.errors);
  if (command_.terminal) {
    // Either direction owns a descriptor, so that either can end alone.
    if (auto copy = command_.terminal.duplicate()) inputs_[3].fd = std::move(*copy);
    outputs_[3].fd = std::move(command_.terminal);
  }
}

Relay::Output* Relay::output_of(Stream stream) {
  Output& output = outputs_[static_cast<size_t>(stream)];
  return output.fd ? &output : nullptr;
}

Relay::Input* Relay::input_of(Stream stream) {
  Input& input = inputs_[static_cast<size_t>(stream)];
  return input.fd ? &input : nullptr;
}

bool Relay::wants(Output& output) const {
  return output.fd && output.rest > 0 && (output.discard || (output.window.left() > 0 && link_.unsent() < kMaxUnsent));
}

bool Relay::drained() const {
  return ended_ && std::ranges::none_of(outputs_, [](const Output& output) { return static_cast<bool>(output.fd); });
}

void Relay::run() {
  // Messages may have come together with the request; the socket does not show as readable for them.
  if (!serve_link(false)) return kill_cgroup(command_.cgroup);
  while (!drained()) {
    std::vector<pollfd> polls{{link_.fd(), static_cast<short>(link_.unsent() > 0 ? POLLIN | POLLOUT : POLLIN), 0},
                              {children_, POLLIN, 0}};
    for (Stream stream : kAllStreams) {
      Output* output = output_of(stream);
      polls.push_back({output != nullptr && wants(*output) ? output->fd.get() : -1, POLLIN, 0});
      Input* input = input_of(stream);
      // Watched for errors even with nothing to write: that is how a command that has closed its stdin shows.
      bool writing = input != nullptr && input->done < input->pending.size();
      bool watching = input != nullptr && (writing || stream == Stream::kStdin);
      polls.push_back({watching ? input->fd.get() : -1, static_cast<short>(writing ? POLLOUT : 0), 0});
    }
    if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) return kill_cgroup(command_.cgroup);
    if ((polls[1].revents & POLLIN) != 0) reap();
    for (size_t i = 0; i < kAllStreams.size(); ++i) {
      if (polls[2 + 2 * i].revents != 0) read_output(kAllStreams[i]);
      short input = polls[3 + 2 * i].revents;
      if ((input & POLLERR) != 0)
        close_input(kAllStreams[i]);
      else if (input != 0)
        write_input(kAllStreams[i]);
    }
    if (!serve_link(polls[0].revents != 0)) return kill_cgroup(command_.cgroup);
  }
  link_.send(MessageType::kExited, encode(exited_));
  link_.finish();
}

// False when the client is gone, or is none.
bool Relay::serve_link(bool readable) {
  if (readable) {
    auto more = link_.fill();
    if (!more || !*more) return false;
  }
  for (;;) {
    auto message = link_.next();
    if (!message) return false;
    if (!*message) break;
    if (!handle(**message)) return false;
  }
  return link_.flush().has_value();
}

bool Relay::handle(const carrier::Message& message) {
  Stream stream = message.header.stream;
  uint32_t number = 0;
  carrier::WindowSize window;
  switch (message.header.type) {
    case MessageType::kData:
      return take_input(stream, message.payload);
    case MessageType::kEnd:
      end_input(stream);
      return true;
    case MessageType::kClosed:
      // Its writer gets SIGPIPE from now on. A terminal goes on without an audience.
      if (Output* output = output_of(stream); output != nullptr) {
        if (stream == Stream::kTerminal)
          output->discard = true;
        else
          end_output(stream);
      }
      return true;
    case MessageType::kCredit: {
      if (!carrier::decode_number(message.payload, number)) return false;
      Output* output = output_of(stream);
      return output == nullptr || output->window.grant(number);
    }
    case MessageType::kPing:
      link_.send(MessageType::kPong);
      return true;
    case MessageType::kSignal:
      if (!carrier::decode_number(message.payload, number) || number < 1 || number >= NSIG) return false;
      if (!ended_) ::kill(-command_.pid, static_cast<int>(number));
      return true;
    case MessageType::kResize:
      if (!decode(message.payload, window)) return false;
      if (Output* output = output_of(Stream::kTerminal); output != nullptr) {
        winsize size{window.rows, window.columns, window.width, window.height};
        ::ioctl(output->fd.get(), TIOCSWINSZ, &size);
      }
      return true;
    default:
      return false;
  }
}

bool Relay::take_input(Stream stream, std::span<const std::byte> data) {
  Input& input = inputs_[static_cast<size_t>(stream)];
  if (!input.window.accept(data.size()) || input.ended) return false;
  if (!input.fd) return true;  // The command has closed it; the client hears of it, this was on its way.
  input.pending.erase(input.pending.begin(), input.pending.begin() + static_cast<ptrdiff_t>(input.done));
  input.done = 0;
  input.pending.insert(input.pending.end(), data.begin(), data.end());
  write_input(stream);
  return true;
}

void Relay::end_input(Stream stream) {
  Input* input = input_of(stream);
  if (input == nullptr) return;
  input->ended = true;
  // The caller's terminal has gone: what a terminal has to say for that is the end-of-file character.
  if (stream == Stream::kTerminal) input->pending.push_back(std::byte{4});
  write_input(stream);
}

void Relay::write_input(Stream stream) {
  Input* input = input_of(stream);
  if (input == nullptr) return;
  size_t passed = 0;
  while (input->done < input->pending.size()) {
    ssize_t put = ::write(input->fd.get(), input->pending.data() + input->done, input->pending.size() - input->done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) break;
    if (put < 0) return close_input(stream);
    input->done += static_cast<size_t>(put);
    passed += static_cast<size_t>(put);
  }
  if (uint32_t credit = input->window.pass(passed); credit > 0)
    link_.send(MessageType::kCredit, carrier::encode_number(credit), stream);
  if (input->done == input->pending.size()) {
    input->pending.clear();
    input->done = 0;
    if (input->ended) input->fd.reset();
  }
}

void Relay::close_input(Stream stream) {
  Input* input = input_of(stream);
  if (input == nullptr) return;
  input->fd.reset();
  input->pending = {};
  if (!input->ended) link_.send(MessageType::kClosed, {}, stream);
}

void Relay::read_output(Stream stream) {
  Output* output = output_of(stream);
  if (output == nullptr || !wants(*output)) return;
  std::array<std::byte, kMaxData> buffer;
  size_t most =
      std::min({buffer.size(), output->rest, output->discard ? buffer.size() : size_t{output->window.left()}});
  ssize_t got = ::read(output->fd.get(), buffer.data(), most);
  if (got < 0 && errno == EINTR) return;
  // EIO: nobody has the terminal open any more.
  if (got == 0 || (got < 0 && errno != EAGAIN)) return end_output(stream);
  if (got < 0) {
    if (ended_) end_output(stream);  // What was there is read.
    return;
  }
  auto size = static_cast<uint32_t>(got);
  if (!output->discard) {
    output->window.take(size);
    link_.send(MessageType::kData, std::span(buffer).first(size), stream);
  }
  if (output->rest != SIZE_MAX) output->rest -= size;
  if (output->rest == 0) end_output(stream);
}

void Relay::end_output(Stream stream) {
  outputs_[static_cast<size_t>(stream)].fd.reset();
  link_.send(MessageType::kEnd, {}, stream);
}

void Relay::reap() {
  signalfd_siginfo info;
  while (::read(children_, &info, sizeof info) == sizeof info) {
  }
  int status = 0;
  while (!ended_ && ::waitpid(command_.pid, &status, WNOHANG | WUNTRACED) == command_.pid) {
    if (WIFSTOPPED(status)) {
      link_.send(MessageType::kStopped);
      continue;
    }
    ended_ = true;
    exited_.kind = WIFSIGNALED(status) ? carrier::ExitKind::kSignaled : carrier::ExitKind::kExited;
    exited_.value = static_cast<uint32_t>(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    limit_rest();
  }
}

// Children that go on in the background may hold the pipes open for ever, and may go on writing: what is in them now is
// the command's, what comes later is not.
void Relay::limit_rest() {
  command_.terminal_slave.reset();
  for (Stream stream : kAllStreams) {
    Output* output = output_of(stream);
    if (output == nullptr) continue;
    int waiting = 0;
    if (stream == Stream::kTerminal)
      output->rest = kTerminalRest;
    else if (::ioctl(output->fd.get(), FIONREAD, &waiting) == 0)
      output->rest = static_cast<size_t>(waiting);
    if (output->rest == 0 || output->discard) end_output(stream);
  }
}

}  // namespace cloche::machine_init
