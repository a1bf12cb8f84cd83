#include "devices/net/net.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "virtio/spec.h"

namespace cloche::net {
namespace {

// The loop's other users get their turn after so many frames.
constexpr int kFramesPerTurn = 64;
constexpr uint16_t kLinkUp = 1;

struct ConfigSpace {  // Section 5.1.4.
  Mac mac;
  le16 status;
  le16 pairs;
  le16 mtu;
};
static_assert(sizeof(ConfigSpace) == 12);

}  // namespace

Net::Net(Options options, std::unique_ptr<BackEnd> back_end, EventLoop& loop, Log log)
    : options_(std::move(options)), back_end_(std::move(back_end)), loop_(loop), log_(std::move(log)) {}

Net::~Net() { Net::reset(); }

uint32_t Net::id() const { return virtio::kIdNet; }

// Merged buffers always: without, a frame of a peer that chose a large MTU would not fit into any buffer of the guest.
uint64_t Net::features() const {
  return options_.offloads | kMac | kStatus | kMergeBuffers | (options_.mtu != 0 ? kMtu : 0);
}

void Net::read_config(uint64_t offset, std::span<std::byte> out) const {
  ConfigSpace config{
      .mac = options_.mac, .status = link_up_ ? kLinkUp : uint16_t{0}, .pairs = uint16_t{1}, .mtu = options_.mtu};
  virtio::read_config_bytes(std::as_bytes(std::span(&config, 1)), offset, out);
}

void Net::activate(virtio::Driver& driver) {
  driver_ = &driver;
  state_.features = driver.features();
  if (auto set = back_end_->set_offloads(state_.features & kOffloads); !set) {
    driver.fault(std::move(set).error());
    driver_ = nullptr;
    return;
  }
  wants_input_ = true;
  update_watch();
}

void Net::reset() {
  watch(0);
  for (auto& timer : again_)
    if (timer) loop_.cancel(*std::exchange(timer, std::nullopt));
  driver_ = nullptr;
  room_.clear();
  room_size_ = 0;
  wants_input_ = wants_output_ = false;
  state_ = {.link_up = state_.link_up, .dropped = state_.dropped};
}

Result<virtio::Kick> Net::on_kick(unsigned index, virtio::Queue& queue) {
  Progress progress = TRY(index == kReceive ? receive(queue) : transmit(queue));
  if (driver_ != nullptr) update_watch();
  return progress == Progress::kBudget ? virtio::Kick::kMore : virtio::Kick::kDone;
}

// --- To the guest ---

Result<Net::Progress> Net::receive(virtio::Queue& queue) {
  wants_input_ = false;
  for (int frame = 0; frame < kFramesPerTurn; ++frame) {
    if (state_.incoming.empty()) {
      // Nothing is read for which there is no buffer at all: the host holds it.
      if (room_.empty() && !queue.has_available() && !TRY(deliver(queue))) return wait_for_room();
      if (!state_.link_up) return Progress::kStalled;
      auto [moved, size] = back_end_->receive(state_.incoming.room());
      if (moved == Moved::kLater) {
        wants_input_ = true;
        return Progress::kStalled;
      }
      if (moved == Moved::kGone) {
        link_gone();
        return Progress::kStalled;
      }
      if (moved == Moved::kDropped || size < sizeof(Header) + kLeastFrame) {
        drop("a frame of the network that is too short or too long");
        continue;
      }
      state_.incoming.set_size(size);
    }
    if (!TRY(deliver(queue))) return wait_for_room();
  }
  return Progress::kBudget;
}

// A peer that cannot get rid of a frame may lose it and wait for long until it sends that again, as passt does.
Net::Progress Net::wait_for_room() {
  wants_input_ = state_.link_up && back_end_->collect();
  return Progress::kStalled;
}

// Collects buffers until the packet has room, and hands it over. False while there are too few; with no packet, while
// there are none. The next one is then announced by a kick.
Result<bool> Net::deliver(virtio::Queue& queue) {
  bool merges = (state_.features & kMergeBuffers) != 0;
  while (room_size_ < state_.incoming.size() || room_.empty()) {
    // A frame for which the guest can never make room: one buffer without merging, or all there are.
    if (!room_.empty() && (!merges || room_.size() == queue.size())) {
      drop("a frame that is too long for the guest's buffers");
      state_.incoming.clear();
      return true;
    }
    auto chain = TRY(queue.pop());
    if (!chain) return false;
    size_t size = chain->writable_size();
    if (size < sizeof(Header)) return fail(ErrorCode::kGuest, "a receive buffer smaller than a header");
    room_size_ += size;
    state_.incoming_heads.push_back(chain->head);
    room_.push_back(std::move(*chain));
  }
  if (!state_.incoming.empty()) hand_over(queue);
  return true;
}

void Net::hand_over(virtio::Queue& queue) {
  std::span<std::byte> rest = state_.incoming.bytes();
  size_t used = 0;
  for (size_t left = rest.size(); left > 0; ++used) left -= std::min(left, room_[used].writable_size());
  le16 buffers = static_cast<uint16_t>(used);
  std::memcpy(rest.data() + offsetof(Header, buffers), &buffers, sizeof buffers);
  for (size_t i = 0; i < used; ++i) {
    size_t take = std::min(rest.size(), room_[i].writable_size());
    // It was checked to have that room, and holds no shared memory.
    room_[i].copy_in(0, rest.first(take));
    queue.push(room_[i].head, static_cast<uint32_t>(take));
    room_size_ -= room_[i].writable_size();
    rest = rest.subspan(take);
  }
  room_.erase(room_.begin(), room_.begin() + static_cast<ptrdiff_t>(used));
  state_.incoming_heads.erase(state_.incoming_heads.begin(),
                              state_.incoming_heads.begin() + static_cast<ptrdiff_t>(used));
  state_.incoming.clear();
}

// --- From the guest ---

Result<Net::Progress> Net::transmit(virtio::Queue& queue) {
  wants_output_ = false;
  for (int frame = 0; frame < kFramesPerTurn; ++frame) {
    if (state_.outgoing.empty() && !TRY(take_packet(queue))) {
      Moved flushed = state_.link_up ? back_end_->flush() : Moved::kDone;
      if (flushed == Moved::kGone) link_gone();
      wants_output_ = flushed == Moved::kLater;
      return Progress::kStalled;
    }
    if (send_outgoing(queue) == Moved::kLater) {
      wants_output_ = true;
      return Progress::kStalled;
    }
  }
  return Progress::kBudget;
}

// Copies the guest's next packet, if there is one. One that is not valid is lost, as on any wire: in a guest that
// routes, whoever sends through it chose the header.
Result<bool> Net::take_packet(virtio::Queue& queue) {
  auto chain = TRY(queue.pop());
  if (!chain) return false;
  size_t size = chain->readable_size();
  if (size < sizeof(Header)) return fail(ErrorCode::kGuest, "a packet shorter than its header");
  state_.outgoing_head = chain->head;
  std::span<std::byte> packet = state_.outgoing.room().first(std::min(size, kMostPacket));
  chain->copy_out(0, packet);
  state_.outgoing.set_size(packet.size());
  Header header;
  std::memcpy(&header, packet.data(), sizeof header);
  if (!valid(header, size - sizeof header, state_.features)) {
    drop("a frame of the guest's with a header that does not fit it");
    state_.outgoing.set_size(sizeof header);  // Nothing but the header is left: nothing to send.
    return true;
  }
  if (back_end_->carries_headers()) {
    header.buffers = uint16_t{0};
    header.flags = header.flags & Header::kNeedsCsum;
    std::memcpy(packet.data(), &header, sizeof header);
  } else if ((header.flags & Header::kNeedsCsum) != 0) {
    complete_checksum(header, packet.subspan(sizeof header));
  }
  return true;
}

// With the link gone, and for what is not valid, the chain comes back all the same.
Moved Net::send_outgoing(virtio::Queue& queue) {
  Moved moved = Moved::kDropped;
  if (state_.link_up && state_.outgoing.size() > sizeof(Header)) {
    moved = back_end_->send(state_.outgoing.bytes());
    if (moved == Moved::kLater) return moved;
    if (moved == Moved::kGone) link_gone();
    if (moved == Moved::kDropped) drop("a frame that the host did not take");
  }
  finish_outgoing(queue);
  return moved;
}

void Net::finish_outgoing(virtio::Queue& queue) {
  queue.push(state_.outgoing_head, 0);
  state_.outgoing.clear();
}

// --- The host's descriptor ---

void Net::drop(const char* why) {
  ++state_.dropped;
  log_.debug("net: dropped {}", why);
}

void Net::link_gone() {
  if (!std::exchange(state_.link_up, false)) return;
  link_up_ = false;
  wants_input_ = wants_output_ = false;
  Result<void> checked = options_.check ? options_.check() : Result<void>();
  log_.warning("net: the other end of the network is gone; the guest has no link any more{}{}", checked ? "" : ": ",
               checked ? "" : checked.error().message());
  if (driver_ != nullptr && (state_.features & kStatus) != 0) driver_->config_changed();
}

// Without anything to wait for it is not watched at all: epoll reports a hang-up whatever was asked for.
void Net::watch(uint32_t events) {
  if (events == watched_) return;
  Result<void> done;
  if (events == 0)
    loop_.unwatch(back_end_->fd());
  else if (watched_ == 0)
    done = loop_.watch(back_end_->fd(), events, [this](uint32_t what) { ready(what); });
  else
    done = loop_.change(back_end_->fd(), events);
  watched_ = events;
  if (done) return;
  watched_ = 0;
  if (driver_ != nullptr) driver_->fault(std::move(done).error());
}

void Net::update_watch() {
  uint32_t events = 0;
  if (state_.link_up && wants_input_) events |= EPOLLIN;
  if (state_.link_up && wants_output_) events |= EPOLLOUT;
  watch(events);
}

void Net::ready(uint32_t events) {
  constexpr uint32_t kGone = EPOLLHUP | EPOLLERR;
  if (wants_output_ && (events & (EPOLLOUT | kGone)) != 0) serve(kTransmit);
  if (driver_ != nullptr && wants_input_ && (events & (EPOLLIN | kGone)) != 0) serve(kReceive);
}

void Net::serve(unsigned index) {
  virtio::Queue& queue = driver_->queue(index);
  auto progress = index == kReceive ? receive(queue) : transmit(queue);
  if (!progress) {
    watch(0);
    virtio::Driver* driver = std::exchange(driver_, nullptr);
    driver->fault(std::move(progress).error());
    return;
  }
  driver_->interrupt(index);
  // The descriptor may have nothing more to say of what is here already.
  if (*progress == Progress::kBudget) serve_again(index);
  update_watch();
}

void Net::serve_again(unsigned index) {
  if (again_[index]) return;
  again_[index] = loop_.at(EventLoop::Clock::now(), [this, index] {
    again_[index].reset();
    if (driver_ != nullptr) serve(index);
  });
}

}  // namespace cloche::net
