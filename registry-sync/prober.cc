// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/prober.h"

#include <curl/curl.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace weft::registry {
namespace {

using ProberClock = std::chrono::steady_clock;

/// Of a response: more than any health page needs, and little enough not to matter.
constexpr size_t kMostBody = size_t{64} << 10;

/// What this process lacks, and the endpoint can't help.
bool is_our_own(int error) {
  constexpr std::array kOurs = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, EPERM, EACCES};
  return std::find(kOurs.begin(), kOurs.end(), error) != kOurs.end();
}

size_t count_body(const char*, size_t size, size_t count, void* read) {
  size_t& sum = *static_cast<size_t*>(read);
  sum += size * count;
  return sum > kMostBody ? 0 : size * count;
}

/// A connection that only was to be made is reset: ours would else keep a port each for a minute (TIME-WAIT).
int reset_at_close(void*, curl_socket_t socket, curlsocktype) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  return CURL_SOCKOPT_OK;
}

std::string listed_statuses(const std::vector<StatusRange>& ranges) {
  std::string text;
  for (const StatusRange& range : ranges) {
    text += (text.empty() ? "" : ", ") + std::to_string(range.first);
    text += range.first == range.last ? "" : "-" + std::to_string(range.last);
  }
  return text;
}

}  // namespace

/// libcurl's handles: one of many transfers, and one a transfer. The prober's thread alone, but for wake().
class Prober::Curl {
 public:
  struct Done {
    uint64_t id = 0;
    CheckResult result;
  };

  static std::unique_ptr<Curl> make(size_t transfers) {
    std::unique_ptr<Curl> curl(new Curl());
    curl->multi_ = curl_multi_init();
    if (curl->multi_ == nullptr) {
      return nullptr;
    }
    curl->transfers_.resize(transfers);
    for (Transfer& transfer : curl->transfers_) {
      transfer.easy = curl_easy_init();
      if (transfer.easy == nullptr) {
        return nullptr;
      }
      curl->idle_.push_back(&transfer);
    }
    return curl;
  }
  Curl(const Curl&) = delete;
  Curl& operator=(const Curl&) = delete;
  ~Curl() {
    for (Transfer& transfer : transfers_) {
      if (transfer.easy != nullptr) {
        curl_multi_remove_handle(multi_, transfer.easy);
        curl_easy_cleanup(transfer.easy);
      }
      curl_slist_free_all(transfer.fields);
    }
    curl_multi_cleanup(multi_);
  }

  bool has_room() const { return !idle_.empty(); }
  size_t under_way() const { return transfers_.size() - idle_.size(); }
  void wake() const { curl_multi_wakeup(multi_); }
  void wait(std::chrono::milliseconds longest) {
    curl_multi_poll(multi_, nullptr, 0, static_cast<int>(longest.count()), nullptr);
  }

  void begin(const CheckTarget& target) {
    Transfer& transfer = *idle_.back();
    idle_.pop_back();
    transfer.target = target;
    transfer.body = 0;
    set_up(transfer);
    curl_multi_add_handle(multi_, transfer.easy);
  }

  /// Does what can be done without waiting.
  std::vector<Done> go_on() {
    int running = 0;
    curl_multi_perform(multi_, &running);
    std::vector<Done> done;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      Transfer* transfer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      done.push_back({.id = transfer->target.id, .result = result_of(*transfer, message->data.result)});
      curl_multi_remove_handle(multi_, transfer->easy);
      idle_.push_back(transfer);
    }
    return done;
  }

 private:
  struct Transfer {
    CURL* easy = nullptr;
    CheckTarget target;
    size_t body = 0;
    curl_slist* fields = nullptr;
  };

  Curl() = default;

  static void set_up(Transfer& transfer) {
    const HealthCheck& check = *transfer.target.check;
    CURL* easy = transfer.easy;
    curl_easy_reset(easy);
    const bool only_connects = check.kind == HealthCheck::Kind::tcp;
    const lb::Port port = check.port == 0 ? transfer.target.port : lb::port_from_host(check.port);
    const std::string url = "http://" + to_string(transfer.target.address, port) + check.path;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(check.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(check.timeout.count()));
    if (only_connects) {
      curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
      curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, reset_at_close);
      return;
    }
    curl_slist_free_all(transfer.fields);
    transfer.fields = curl_slist_append(nullptr, "Connection: close");
    if (!check.host.empty()) {
      transfer.fields = curl_slist_append(transfer.fields, ("Host: " + check.host).c_str());
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.fields);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "weft/" WEFT_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer.body);
  }

  static CheckResult result_of(const Transfer& transfer, CURLcode code) {
    using Outcome = CheckResult::Outcome;
    const HealthCheck& check = *transfer.target.check;
    CheckResult result;
    curl_off_t took = 0;
    curl_off_t connected = 0;
    long error = 0;
    long status = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_TOTAL_TIME_T, &took);
    curl_easy_getinfo(transfer.easy, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(transfer.easy, CURLINFO_OS_ERRNO, &error);
    curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    result.took = std::chrono::microseconds(took);
    const bool is_http = check.kind == HealthCheck::Kind::http;
    // More of a body than is read: what is asked for has come.
    const bool enough = code == CURLE_WRITE_ERROR && transfer.body > kMostBody;
    if (code == CURLE_OK || enough) {
      const bool expected =
          !is_http || std::any_of(check.expected.begin(), check.expected.end(),
                                  [&](StatusRange range) { return status >= range.first && status <= range.last; });
      if (!expected) {
        result.outcome = Outcome::failed;
        result.error = "status " + std::to_string(status) + ", expected " + listed_statuses(check.expected);
      }
      return result;
    }
    const bool ours =
        code == CURLE_OUT_OF_MEMORY || (code == CURLE_COULDNT_CONNECT && is_our_own(static_cast<int>(error)));
    result.outcome = ours ? Outcome::inconclusive : Outcome::failed;
    if (code == CURLE_OPERATION_TIMEDOUT) {
      result.error = std::string(is_http && connected > 0 ? "no response" : "no connection") + " within " +
                     std::to_string(check.timeout.count()) + " ms";
    } else if (code == CURLE_COULDNT_CONNECT && error != 0) {
      result.error = "connecting: " + std::string(std::strerror(static_cast<int>(error)));
    } else {
      result.error = curl_easy_strerror(code);
    }
    return result;
  }

  CURLM* multi_ = nullptr;
  std::vector<Transfer> transfers_;
  std::vector<Transfer*> idle_;
};

tl::expected<std::unique_ptr<Prober>, std::string> Prober::start(Options options, Sink sink) {
  if (const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT); code != CURLE_OK) {
    return tl::make_unexpected("can't start libcurl: " + std::string(curl_easy_strerror(code)));
  }
  std::unique_ptr<Curl> curl = Curl::make(options.most_at_once);
  if (curl == nullptr) {
    return tl::make_unexpected(std::string("can't make libcurl's handles: out of memory or of file descriptors"));
  }
  std::unique_ptr<Prober> prober(new Prober(options, std::move(sink), std::move(curl)));
  prober->thread_ = std::jthread([raw = prober.get()](const std::stop_token& stop) { raw->run(stop); });
  return prober;
}

Prober::Prober(Options options, Sink sink, std::unique_ptr<Curl> curl)
    : options_(options), sink_(std::move(sink)), curl_(std::move(curl)), book_(options.seed) {}

Prober::~Prober() {
  if (thread_.joinable()) {
    thread_.request_stop();
    curl_->wake();
    thread_.join();
  }
}

void Prober::replace(const CheckChanges& changes) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [service, targets] : changes) {
      book_.replace(service, targets, ProberClock::now());
    }
  }
  curl_->wake();
}

std::vector<CheckState> Prober::states(const std::string& service) const {
  const std::lock_guard lock(mutex_);
  return book_.states(service);
}

Prober::Totals Prober::totals() const {
  const std::lock_guard lock(mutex_);
  Totals totals = totals_;
  totals.targets = book_.size();
  totals.late = book_.late();
  return totals;
}

void Prober::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "weft-health");
  constexpr std::chrono::milliseconds kLongest(60'000);  // replace() and the destructor wake it
  while (!stop.stop_requested()) {
    begin_due();
    if (const std::vector<CheckVerdict> verdicts = finish_done(); !verdicts.empty()) {
      sink_(verdicts);
    }
    std::chrono::milliseconds longest = kLongest;
    if (curl_->has_room()) {
      const std::lock_guard lock(mutex_);
      if (const std::optional<Time> due = book_.next_due()) {
        longest = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(*due - ProberClock::now()),
                             std::chrono::milliseconds(0), kLongest);
      }
    }
    curl_->wait(longest);
  }
}

void Prober::begin_due() {
  const std::lock_guard lock(mutex_);
  while (curl_->has_room()) {
    const std::optional<CheckTarget> target = book_.begin(ProberClock::now());
    if (!target) {
      break;
    }
    curl_->begin(*target);
  }
  totals_.under_way = curl_->under_way();
}

std::vector<CheckVerdict> Prober::finish_done() {
  const std::vector<Curl::Done> done = curl_->go_on();
  std::vector<CheckVerdict> verdicts;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, result] : done) {
    totals_.passed += result.outcome == CheckResult::Outcome::passed ? 1 : 0;
    totals_.failed += result.outcome == CheckResult::Outcome::failed ? 1 : 0;
    totals_.inconclusive += result.outcome == CheckResult::Outcome::inconclusive ? 1 : 0;
    if (const std::optional<CheckVerdict> verdict = book_.finish(id, result, ProberClock::now())) {
      verdicts.push_back(*verdict);
    }
  }
  totals_.under_way = curl_->under_way();
  return verdicts;
}

}  // namespace weft::registry
