// What cloche and the agent of the emulated computer (guest/machine-init) say to each other, one TCP connection per
// command.
//
// The client opens with Token and then one of Request, Ask or PowerOff. After a Request the agent answers Accepted, and
// from there both send Data, End, Closed and Credit for each stream, the client Signal, Resize and Ping, the agent
// Stopped, Pong and, last of all, Exited. No side sends more Data on a stream than it has credit for: kWindow at first,
// and what Credit adds. So a stream that nobody reads holds up neither the other streams nor a signal, and neither side
// ever has to hold more than a window of a stream.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "wire/codec.h"

namespace cloche::carrier {

inline constexpr uint16_t kProtocolVersion = 2;
inline constexpr uint16_t kAgentPort = 1024;          // Inside the machine.
inline constexpr size_t kTokenBytes = 32;             // 256 bits of the host's random generator.
inline constexpr uint32_t kMaxPayload = 8 << 20;      // A Request: Linux allows 6 MiB of arguments and environment.
inline constexpr uint32_t kMaxStrangerPayload = 256;  // Before the token is known to be right.
inline constexpr uint32_t kMaxData = 64 << 10;        // One Data message.
inline constexpr uint32_t kWindow = 1 << 20;          // Data on its way on one stream.
inline constexpr std::string_view kReadyLine =
    "cloche-machine: ready";  // On the serial console, when the agent listens.

enum class MessageType : uint8_t {
  kToken = 1,      // client -> agent: u16 version, kTokenBytes; a wrong one and the connection is closed
  kRequest = 2,    // client -> agent: run a command
  kAsk = 3,        // client -> agent: how are you? The answer is kStatus
  kPowerOff = 4,   // client -> agent: end everything; the answer is the machine's end
  kAccepted = 5,   // agent -> client: from now on the command may have run
  kData = 6,       // both: bytes of a stream
  kEnd = 7,        // both: no more bytes on this stream
  kClosed = 8,     // both: whoever reads this stream is gone; send no more
  kCredit = 9,     // both: u32, so many bytes more of this stream are welcome
  kSignal = 10,    // client -> agent: u32 number, to the command's process group
  kResize = 11,    // client -> agent: WindowSize
  kStopped = 12,   // agent -> client: the command was stopped by a signal; the client stops as well, and sends SIGCONT
                   // when continued
  kExited = 13,    // agent -> client: the command ended and all its output has been sent
  kStatus = 14,    // agent -> client
  kMismatch = 15,  // agent -> client: u16, the version it speaks
  kPing = 16,      // client -> agent, while a command runs: are you there?
  kPong = 17,      // agent -> client: yes
};

enum class Stream : uint8_t { kStdin = 0, kStdout = 1, kStderr = 2, kTerminal = 3 };  // kTerminal: both ways.
inline constexpr size_t kStreams = 4;

struct Header {  // As it lies on the wire.
  static constexpr size_t kSize = 8;
  uint32_t payload_size = 0;
  MessageType type = MessageType::kToken;
  Stream stream = Stream::kStdin;  // Of the four about streams; else kStdin.
  uint16_t reserved = 0;           // Zero.
};

struct Token {
  uint16_t version = kProtocolVersion;
  std::string secret;  // kTokenBytes.
};

struct WindowSize {
  uint16_t rows = 24, columns = 80, width = 0, height = 0;  // Characters, pixels.
};

// A terminal's settings as struct termios of x86_64 Linux has them.
struct TerminalSettings {
  uint32_t input = 0, output = 0, control = 0, local = 0, input_speed = 0, output_speed = 0;
  std::string characters;  // c_cc.
};

struct Limit {
  uint32_t resource = 0;        // RLIMIT_* of Linux.
  uint64_t soft = 0, hard = 0;  // UINT64_MAX: unlimited.
};

enum class StreamKind : uint8_t {
  kClosed = 0,    // Not open at the caller's, nor for the command.
  kPipe = 1,      // A pipe of its own.
  kTerminal = 2,  // The caller's terminal.
  kAsStdout = 3,  // Of stderr: the same open file as stdout (2>&1), so that the two stay in order.
};

struct Request {
  std::string program;                 // What is executed; empty: arguments[0], looked up in the environment's PATH.
  std::vector<std::string> arguments;  // argv.
  std::vector<std::string> environment;
  std::string working_directory;
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;
  uint32_t umask = 022;
  std::vector<Limit> limits;
  uint64_t ignored_signals = 0;  // Bit n-1: signal n is ignored, as after nohup.
  StreamKind streams[3] = {StreamKind::kClosed, StreamKind::kClosed, StreamKind::kClosed};
  WindowSize window;
  TerminalSettings terminal;
  uint64_t realtime_ns = 0;   // The caller's clock.
  uint64_t system_stamp = 0;  // Changes when what lies under /usr may have changed.
};

enum class ExitKind : uint8_t {
  kExited = 0,       // value: the exit code
  kSignaled = 1,     // value: the signal
  kNotFound = 2,     // no such command; value: errno
  kNotRunnable = 3,  // it may not or cannot be executed; value: errno
  kFailed = 4,       // the agent could not prepare it; value: errno, what: the step
};

struct Exited {
  ExitKind kind = ExitKind::kExited;
  uint32_t value = 0;
  std::string what;
};

struct AgentStatus {
  uint32_t commands = 0;  // Connections that run a command now.
  uint64_t uptime_s = 0;
  uint64_t idle_stop_s = 0;  // Powers off after so long without a command; 0: never.
};

std::vector<std::byte> encode(const Token& token);
std::vector<std::byte> encode(const Request& request);
std::vector<std::byte> encode(const WindowSize& window);
std::vector<std::byte> encode(const Exited& exited);
std::vector<std::byte> encode(const AgentStatus& status);
std::vector<std::byte> encode_number(uint32_t number);  // Credit, Signal, Mismatch.
std::vector<std::byte> encode(const Header& header);

// All of these: false when the bytes are not exactly such a message.
bool decode(std::span<const std::byte> bytes,
            Header& header);  // Of Header::kSize bytes; checks type and stream, not the size.
bool decode(std::span<const std::byte> payload, Token& token);
bool decode(std::span<const std::byte> payload, Request& request);
bool decode(std::span<const std::byte> payload, WindowSize& window);
bool decode(std::span<const std::byte> payload, Exited& exited);
bool decode(std::span<const std::byte> payload, AgentStatus& status);
bool decode_number(std::span<const std::byte> payload, uint32_t& number);

// Compares in a time that does not depend on where the two differ.
bool equal_secrets(std::string_view left, std::string_view right);

// The sender's side of one stream: how much may still be sent.
class SendWindow {
 public:
  uint32_t left() const { return left_; }
  void take(uint32_t count) { left_ -= count; }  // At most left().
  // False when the peer grants more than a window in all: it broke the protocol.
  bool grant(uint32_t count) {
    if (count > kWindow - left_) return false;
    left_ += count;
    return true;
  }

 private:
  uint32_t left_ = kWindow;
};

// The receiver's side: what the peer may still send, and when to tell it that it may send more.
class ReceiveWindow {
 public:
  // False when the peer sends more than it may.
  bool accept(size_t count) {
    if (count > left_) return false;
    left_ -= static_cast<uint32_t>(count);
    return true;
  }
  // `count` bytes have been passed on. The credit to send now: 0 until it is worth a message.
  uint32_t pass(size_t count) {
    owed_ += static_cast<uint32_t>(count);
    if (owed_ < kWindow / 4) return 0;
    uint32_t now = owed_;
    left_ += now;
    owed_ = 0;
    return now;
  }

 private:
  uint32_t left_ = kWindow;
  uint32_t owed_ = 0;
};

}  // namespace cloche::carrier
