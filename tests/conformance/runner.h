// SPDX-License-Identifier: Apache-2.0
/// @file Drives one engine through a script (script.h), on a clock that goes from deadline to deadline, so that each
/// timer fires when it is due and not when the script happens to look.
///
/// The engine's end of every connection is one address and port 80, from connection 100 on 81; the peer of connection n
/// has port 40000 + n.
/// Commands:
///
///     listen, unlisten             on the connection's port
///     connect [fails]              connection n
///     write BYTES [fails]          queue bytes of the stream; "fails": write() takes none of them
///     read BYTES, read all         consume, and compare with the stream
///     shutdown, close, abort
///     icmp too-big|hard|soft seq SEQUENCE [mtu BYTES]   of a segment of ours with that number
///     renew BYTES                  the pair's next connection begins: the peer's initial sequence number is so much
///                                  further, and the engine's must be beyond the last one's
///     event none|NAME...           exactly these events since this was asked last; "any": whatever there was
///     state NAME, state gone       of the connection
///     readable BYTES               waiting to be read
///     at_end yes|no
///     counter NAME NUMBER...       since the script began
///     connections|half_open|time_waits|pieces NUMBER    of the engine
///     cwnd|ssthresh|mss BYTES      what the engine keeps of the connection; "7000..7500" for what need not be exact
///     nothing                      let time go by in silence
///
/// At the end all that is readable is compared, everything that is open is aborted, and time goes on until the engine
/// has forgotten all: then no piece and no buffer may be missing.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "buffer/heap.h"
#include "peer.h"
#include "script.h"
#include "tcp/engine.h"

namespace weft::conformance {

/// Where a run starts.
enum class Start : uint8_t {
  plain,
  sequences_wrap,  ///< both initial sequence numbers lie closely before 2^32
  clock_wraps,     ///< milliseconds and microseconds are closely before 2^32
};

class Runner {
 public:
  /// @param family 4 or 6
  Runner(const Script& script, int family, Start start);

  /// Throws Failure.
  void run();

 private:
  void perform(const Step& step);
  void arrive(const Step& step);
  void expect(const Step& step);
  void command(const Step& step);
  bool call(const Step& step);
  bool assert_that(const Step& step);

  void go_to(time::Time target, bool until_sent);
  void turn();
  void flush();
  void collect();
  void finish();
  void finish_reading(Peer& peer);

  Peer& peer(uint32_t connection);
  Peer* peer_of(const tcp::SocketPair& pair);
  tcp::ConnectionId id_of(const Step& step);
  buffer::Slice slice(std::vector<std::byte> bytes);
  bool write(Peer& peer, uint64_t bytes);
  void read(Peer& peer, uint64_t bytes);
  void check_events(const Step& step);
  void check_state(const Step& step);
  void check_number(const Step& step, uint64_t value);
  std::string seconds(time::Time at) const;
  std::string unexpected() const;

  const Script script_;
  int family_;
  Start start_;
  time::Time now_;
  time::Time begun_;
  time::Time last_;  ///< the last step's time
  buffer::HeapBuffers buffers_;
  tcp::Engine engine_;
  tcp::Output output_;
  std::map<uint32_t, Peer> peers_;
  std::deque<Sent> sent_;  ///< and not expected yet
};

}  // namespace weft::conformance
