#include "guest/init/streams.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/init/host_link.h"

namespace cloche::init {
namespace {

void set_nonblocking(int fd) { ::fcntl(fd, F_SETFL, O_NONBLOCK); }  // On a new pipe, which has no other flag to lose.

}  // namespace

Result<void> Streams::connect(const wire::Start& start) {
  if (start.streams == wire::Streams::kTerminal) {
    output_socket_ = TRY(begin_connect(wire::kTerminalPort));
    return {};
  }
  if (start.has_stdin) input_socket_ = TRY(begin_connect(wire::kStdinPort));
  output_socket_ = TRY(begin_connect(wire::kStdoutPort));
  error_socket_ = TRY(begin_connect(wire::kStderrPort));
  return {};
}

Result<void> Streams::open(const wire::Start& start) {
  if (start.streams == wire::Streams::kTerminal) return open_terminal(start);
  TRY(open_input());
  TRY(open_output(output_, output_socket_, command_.output));
  TRY(await_connected(output_socket_, "connect standard output to the host"));
  TRY(open_output(error_, error_socket_, command_.error));
  return await_connected(error_socket_, "connect standard error to the host");
}

Result<void> Streams::open_terminal(const wire::Start& start) {
  terminal_ = ::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  int locked = 0;
  if (terminal_ < 0 || ::ioctl(terminal_, TIOCSPTLCK, &locked) < 0) return failed("open a terminal");
  resize(start.rows, start.columns);
  int slave = ::ioctl(terminal_, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return failed("open a terminal");
  if (start.uid != 0) ::fchown(slave, start.uid, static_cast<gid_t>(-1));
  command_ = {slave, slave, slave};
  TRY(await_connected(output_socket_, "connect the terminal to the host"));
  // Each pump closes what it was given; the descriptors without a pump stay with us for resize().
  int input_source = ::fcntl(output_socket_, F_DUPFD_CLOEXEC, 0), input_sink = ::fcntl(terminal_, F_DUPFD_CLOEXEC, 0);
  int output_source = ::fcntl(terminal_, F_DUPFD_CLOEXEC, 0);
  input_.start(input_source, input_sink, Pump::Sink::kTerminal);
  output_.start(output_source, output_socket_, Pump::Sink::kSocket);
  return {};
}

Result<void> Streams::open_input() {
  if (input_socket_ < 0) {
    command_.input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (command_.input < 0) return failed("open /dev/null");
    return {};
  }
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) < 0) return failed("create a pipe");
  command_.input = pipe[0];
  set_nonblocking(pipe[1]);
  input_.start(input_socket_, pipe[1], Pump::Sink::kPipe);
  return await_connected(input_socket_, "connect standard input to the host");
}

Result<void> Streams::open_output(Pump& pump, int socket, int& command_end) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) < 0) return failed("create a pipe");
  command_end = pipe[1];
  set_nonblocking(pipe[0]);
  pump.start(pipe[0], socket, Pump::Sink::kSocket);
  return {};
}

void Streams::command_started() {
  // The slave side of a terminal stays open here as well: the master would be at its end whenever no process has it
  // open.
  if (terminal_ >= 0) return;
  ::close(command_.input);
  ::close(command_.output);
  ::close(command_.error);
}

void Streams::command_ended() {
  input_.stop();
  if (terminal_ >= 0) ::close(command_.input);
}

void Streams::want(std::span<pollfd, kPolls> polls) const {
  input_.want(&polls[0]);
  output_.want(&polls[Pump::kPolls]);
  error_.want(&polls[2 * Pump::kPolls]);
}

void Streams::move(std::span<const pollfd, kPolls> polls) {
  input_.move(&polls[0]);
  output_.move(&polls[Pump::kPolls]);
  error_.move(&polls[2 * Pump::kPolls]);
  if (terminal_ < 0 || output_.running()) return;
  // The host has hung up: with the last master descriptor closed the terminal does so as well, and its session gets
  // SIGHUP.
  input_.stop();
  ::close(terminal_);
  terminal_ = -1;
}

bool Streams::drained() const { return !output_.running() && !error_.running(); }

void Streams::resize(uint16_t rows, uint16_t columns) const {
  winsize size{rows, columns, 0, 0};
  if (terminal_ >= 0) ::ioctl(terminal_, TIOCSWINSZ, &size);
}

pid_t Streams::foreground_group() const {
  pid_t group = -1;
  if (terminal_ < 0 || ::ioctl(terminal_, TIOCGPGRP, &group) < 0) return -1;
  return group;
}

}  // namespace cloche::init
