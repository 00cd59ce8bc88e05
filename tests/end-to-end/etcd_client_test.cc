// SPDX-License-Identifier: Apache-2.0
#include "etcd/client.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "etcd_bed.h"

namespace weft::etcd {
namespace {

using namespace std::chrono_literals;
using Kind = Error::Kind;

std::unique_ptr<Client> client_of(Options options) {
  auto made = Client::make(std::move(options));
  EXPECT_TRUE(made) << made.error();
  return std::move(*made);
}

std::unique_ptr<Client> client_of(const EtcdBed& bed) {
  auto client = client_of({.endpoints = bed.urls()});
  EXPECT_TRUE(comes_true([&] { return client->range("a").has_value(); }));
  return client;
}

/// The next batch that has events.
Batch events_of(Watch& watch) {
  Batch events;
  EXPECT_TRUE(comes_true([&] {
    auto batch = watch.next(100ms);
    EXPECT_TRUE(batch) << batch.error().message;
    if (batch && *batch && !(*batch)->events.empty()) {
      events = std::move(**batch);
    }
    return !batch || !events.events.empty();
  }));
  return events;
}

/// How the watch ends.
Error end_of(Watch& watch) {
  Error error;
  EXPECT_TRUE(comes_true([&] {
    const auto batch = watch.next(100ms);
    if (!batch) {
      error = batch.error();
    }
    return !batch;
  }));
  return error;
}

TEST(EtcdClient, ReadsAndWrites) {
  const EtcdBed bed(1);
  const auto client = client_of(bed);
  const int64_t first = client->put("/t/a", "1").value();
  const int64_t second = client->put("/t/b", std::string("2\0x", 3)).value();
  EXPECT_EQ(second, first + 1);
  const Range all = client->range("/t/", prefix_end("/t/")).value();
  ASSERT_EQ(all.pairs.size(), 2U);
  EXPECT_EQ(all.pairs[0],
            (KeyValue{.key = "/t/a", .value = "1", .create_revision = first, .mod_revision = first, .version = 1}));
  EXPECT_EQ(all.pairs[1].value, std::string("2\0x", 3));
  EXPECT_EQ(all.revision, second);
  const Range page = client->range("/t/", prefix_end("/t/"), 1).value();
  EXPECT_EQ(page.pairs.size(), 1U);
  EXPECT_TRUE(page.more);
  EXPECT_EQ(client->range("/t/b", "", 0, first).value().pairs.size(), 0U);
  EXPECT_EQ(client->range("/t/a", "", 0, 0, true).value().pairs.at(0).value, "");

  EXPECT_FALSE(client->put_if_absent("/t/a", "other").value());
  EXPECT_TRUE(client->put_if_absent("/t/c", "3").value());
  EXPECT_FALSE(client->put_if_revision("/t/a", "other", second).value());
  EXPECT_TRUE(client->put_if_revision("/t/a", "new", first).value());
  EXPECT_EQ(client->range("/t/a").value().pairs.at(0).value, "new");
  EXPECT_FALSE(client->remove_if_revision("/t/a", first).value());
  EXPECT_EQ(client->remove("/t/a").value(), 1);
  EXPECT_EQ(client->remove("/t/a").value(), 0);
}

TEST(EtcdClient, KeepsLeases) {
  const EtcdBed bed(1);
  const auto client = client_of(bed);
  const int64_t lease = client->grant(60s).value();
  client->put("/t/a", "1", lease).value();
  EXPECT_EQ(client->range("/t/a").value().pairs.at(0).lease, lease);
  EXPECT_EQ(client->keep_alive(lease).value(), 60s);
  EXPECT_GT(client->time_to_live(lease).value(), 20s);
  EXPECT_TRUE(client->revoke(lease));
  EXPECT_EQ(client->range("/t/a").value().pairs.size(), 0U);
  EXPECT_EQ(client->keep_alive(lease).error().kind, Kind::not_found);
  EXPECT_EQ(client->time_to_live(lease).error().kind, Kind::not_found);
  EXPECT_EQ(client->revoke(lease).error().kind, Kind::not_found);
  EXPECT_EQ(client->put("/t/a", "1", lease).error().kind, Kind::not_found);
}

TEST(EtcdClient, WatchesFromARevisionOn) {
  const EtcdBed bed(1);
  const auto client = client_of(bed);
  const int64_t first = client->put("/t/a", "1").value();
  client->put("/other", "1").value();
  client->remove("/t/a").value();
  const auto watch = client->watch("/t/", prefix_end("/t/"), first).value();
  std::vector<Event> events;
  while (events.size() < 2) {
    const Batch batch = events_of(*watch);
    ASSERT_FALSE(batch.events.empty());
    events.insert(events.end(), batch.events.begin(), batch.events.end());
  }
  EXPECT_FALSE(events[0].deleted);
  EXPECT_EQ(events[0].pair.value, "1");
  EXPECT_TRUE(events[1].deleted);
  EXPECT_EQ(events[1].pair.key, "/t/a");
  EXPECT_EQ(events[1].pair.mod_revision, first + 2);
  EXPECT_EQ(watch->next(0ms).value(), std::nullopt);
  // Beside a watch, the client goes on.
  client->put("/t/b", "2").value();
  EXPECT_EQ(events_of(*watch).events.at(0).pair.key, "/t/b");
  watch->request_progress();
  EXPECT_TRUE(comes_true([&] {
    const auto batch = watch->next(100ms).value();
    return batch && batch->events.empty() && batch->revision == first + 3;
  }));
}

TEST(EtcdClient, TellsCompaction) {
  const EtcdBed bed(1);
  const auto client = client_of(bed);
  const int64_t first = client->put("/t/a", "1").value();
  const int64_t last = client->put("/t/a", "2").value();
  EXPECT_TRUE(client->compact(last));
  EXPECT_EQ(client->range("/t/a", "", 0, first).error().kind, Kind::compacted);
  const auto watch = client->watch("/t/a", "", first);
  EXPECT_EQ(watch ? end_of(**watch).kind : watch.error().kind, Kind::compacted);
}

TEST(EtcdClient, BoundsWhatItTakes) {
  const EtcdBed bed(1, {"--max-request-bytes=33554432"});
  const auto client = client_of(bed);
  const std::string large(size_t{24} << 20, 'x');
  for (const char* key : {"/t/a", "/t/b", "/t/c"}) {
    ASSERT_TRUE(client->put(key, large)) << client->put(key, large).error().message;
  }
  EXPECT_EQ(client->range("/t/", prefix_end("/t/")).error().kind, Kind::too_large);
  EXPECT_EQ(client->range("/t/", prefix_end("/t/"), 2).value().pairs.size(), 2U);
  EXPECT_EQ(client->put("/t/d", std::string(size_t{40} << 20, 'x')).error().kind, Kind::too_large);
}

TEST(EtcdClient, MovesToAnotherMember) {
  EtcdBed bed(3);
  const auto client = client_of(bed);
  client->put("/t/a", "1").value();
  const size_t killed = bed.index_of(client->endpoint());
  bed.kill(killed);
  EXPECT_TRUE(comes_true([&] { return client->put("/t/a", "2").has_value(); }));
  EXPECT_NE(bed.index_of(client->endpoint()), killed);
  bed.start(killed);

  // One that is stopped takes connections, and answers nothing.
  EXPECT_TRUE(comes_true([&] { return client->put("/t/a", "3").has_value(); }));
  const size_t paused = bed.index_of(client->endpoint());
  bed.pause(paused);
  EXPECT_TRUE(comes_true([&] { return client->range("/t/a").has_value(); }));
  EXPECT_NE(bed.index_of(client->endpoint()), paused);
  bed.resume(paused);
}

TEST(EtcdClient, IsToldThatAMemberHasNoLeader) {
  EtcdBed bed(3);
  const auto any = client_of(bed);
  const auto client = client_of({.endpoints = {bed.url(0)}});
  EXPECT_TRUE(comes_true([&] { return client->put("/t/a", "1").has_value(); }));
  const auto watch = client->watch("/t/", prefix_end("/t/"), 0).value();
  bed.kill(1);
  bed.kill(2);
  EXPECT_EQ(end_of(*watch).kind, Kind::unavailable);
  EXPECT_TRUE(comes_true([&] { return client->range("/t/a").error().kind == Kind::unavailable; }));
  EXPECT_FALSE(client->watch("/t/", prefix_end("/t/"), 0));
}

TEST(EtcdClient, SaysThatNobodyIsThere) {
  const auto client = client_of({.endpoints = {"http://127.0.0.1:1", "http://127.0.0.1:2"}, .timeout = 200ms});
  const auto answer = client->range("a");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, Kind::unavailable);
  const std::string& message = answer.error().message;
  EXPECT_TRUE(message.starts_with("no connection to any of http://127.0.0.1:1, http://127.0.0.1:2: ")) << message;
  EXPECT_NE(message.find("Connection refused"), std::string::npos) << message;
}

TEST(EtcdClient, RenewsItsTokenAndSaysWhoIsRefused) {
  EtcdBed bed(1);
  client_of(bed);
  ASSERT_EQ(bed.ctl("user add root:secret") | bed.ctl("user grant-role root root") | bed.ctl("auth enable"), 0);
  EXPECT_EQ(client_of({.endpoints = bed.urls()})->range("a").error().kind, Kind::invalid);
  EXPECT_EQ(client_of({.endpoints = bed.urls(), .user = "root", .password = "other"})->range("a").error().kind,
            Kind::unauthenticated);
  const std::string as_root = "--user=root:secret ";
  ASSERT_EQ(bed.ctl(as_root + "user add weft:weft") | bed.ctl(as_root + "role add weft") |
                bed.ctl(as_root + "user grant-role weft weft") |
                bed.ctl(as_root + "role grant-permission weft readwrite /weft/ /weft0"),
            0);
  const auto client = client_of({.endpoints = bed.urls(), .user = "weft", .password = "weft"});
  EXPECT_TRUE(client->put("/weft/a", "1"));
  EXPECT_EQ(client->put("/other", "1").error().kind, Kind::denied);
  EXPECT_TRUE(client->watch("/weft/", prefix_end("/weft/"), 0));
  EXPECT_EQ(client->watch("/other", "", 0).error().kind, Kind::denied);
  // With the process, its tokens are forgotten.
  bed.kill(0);
  bed.start(0);
  EXPECT_TRUE(comes_true([&] { return client->put("/weft/a", "2").has_value(); }));
  bed.kill(0);
  bed.start(0);
  EXPECT_TRUE(comes_true([&] { return client->watch("/weft/", prefix_end("/weft/"), 0).has_value(); }));
}

TEST(EtcdClient, SpeaksTls) {
  char made[] = "/tmp/weft-etcd-tls-XXXXXX";
  ASSERT_NE(mkdtemp(made), nullptr);
  const std::string folder = made;
  const std::string script = "set -e; cd " + folder + R"(; exec > log 2>&1
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca
    printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' > ext
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout other.key -out other.pem -days 2 -subj /CN=other
    for name in server client; do
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $name.key -out $name.csr -subj /CN=$name
      openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out $name.pem
    done)";
  ASSERT_EQ(std::system(script.c_str()), 0);
  {
    const EtcdBed bed(1,
                      {"--cert-file=" + folder + "/server.pem", "--key-file=" + folder + "/server.key",
                       "--trusted-ca-file=" + folder + "/ca.pem", "--client-cert-auth"},
                      "https");
    const Options whole{.endpoints = bed.urls(),
                        .ca_file = folder + "/ca.pem",
                        .cert_file = folder + "/client.pem",
                        .key_file = folder + "/client.key"};
    const auto client = client_of(whole);
    EXPECT_TRUE(comes_true([&] { return client->put("a", "1").has_value(); }));
    Options nameless = whole;
    nameless.cert_file = nameless.key_file = "";
    nameless.timeout = 1s;
    EXPECT_FALSE(client_of(nameless)->put("a", "1"));
    Options stranger = whole;
    stranger.ca_file = "";
    stranger.timeout = 1s;
    const std::string why = client_of(stranger)->put("a", "1").error().message;
    EXPECT_NE(why.find("handshake failed"), std::string::npos) << why;
    EXPECT_EQ(Client::make({.endpoints = bed.urls(), .ca_file = folder + "/log"}).error(),
              "ca: " + folder + "/log: holds nothing in PEM");
    EXPECT_EQ(Client::make({.endpoints = bed.urls(), .cert_file = folder + "/client.pem"}).error(),
              "key: a client certificate and its key go together: this one is missing");
    const auto why_not = [](const Options& options) {
      const auto fit = check(options);
      return fit ? "" : fit.error().text();
    };
    EXPECT_EQ(why_not(whole), "");
    Options unfit = whole;
    unfit.key_file = folder + "/server.key";
    EXPECT_EQ(why_not(unfit), "key: " + unfit.key_file + ": is not the key of the certificate in " + whole.cert_file);
    unfit.key_file = folder + "/ca.pem";
    EXPECT_EQ(why_not(unfit), "key: " + unfit.key_file + ": holds no private key that can be read without a password");
    unfit = whole;
    unfit.cert_file = folder + "/client.key";
    EXPECT_EQ(why_not(unfit), "certificate: " + unfit.cert_file + ": holds no certificate that can be read");
    unfit = whole;
    unfit.ca_file = folder + "/none.pem";
    EXPECT_EQ(why_not(unfit), "ca: " + unfit.ca_file + ": can't be read: No such file or directory");
    unfit = whole;
    unfit.endpoints = {"http://h:1"};
    EXPECT_EQ(why_not(unfit).substr(0, 36), "ca: is for https://, and no endpoint");
    unfit.endpoints = {"https://h:1", "https://h:2", "https://h:1"};
    EXPECT_EQ(why_not(unfit), "endpoints[2]: \"https://h:1\" is there twice");

    // A certificate that etcd does not take is put in another's place, the key first: the client goes on by itself.
    const auto put_in_place = [&](const std::string& from, const std::string& to) {
      std::filesystem::copy_file(folder + "/" + from, folder + "/new");
      std::filesystem::rename(folder + "/new", folder + "/" + to);
    };
    put_in_place("other.pem", "own.pem");
    put_in_place("other.key", "own.key");
    Options rotated = whole;
    rotated.cert_file = folder + "/own.pem";
    rotated.key_file = folder + "/own.key";
    rotated.timeout = 1s;
    const auto renewing = client_of(rotated);
    EXPECT_FALSE(renewing->put("a", "2"));
    put_in_place("client.key", "own.key");
    EXPECT_FALSE(renewing->put("a", "2")) << "half of it is no pair";
    put_in_place("client.pem", "own.pem");
    EXPECT_TRUE(comes_true([&] { return renewing->put("a", "2").has_value(); }));
    auto watch = renewing->watch("b", "", 0);
    ASSERT_TRUE(watch);
    // What is no good is not taken, and what there was goes on. So does a watch while its files are others.
    put_in_place("log", "own.pem");
    EXPECT_TRUE(renewing->put("a", "3"));
    put_in_place("server.key", "own.key");
    put_in_place("server.pem", "own.pem");
    EXPECT_TRUE(comes_true([&] { return renewing->put("b", "4").has_value(); }));
    EXPECT_TRUE(comes_true([&] {
      const auto batch = (*watch)->next(1s);
      return batch && *batch && !(*batch)->events.empty();
    }));
  }
  std::filesystem::remove_all(folder);
}

TEST(EtcdClient, EndsWhenItIsToldTo) {
  const EtcdBed bed(1);
  const auto client = client_of(bed);
  const auto watch = client->watch("/t/", prefix_end("/t/"), 0).value();
  std::jthread other([&] { client->shut_down(); });
  EXPECT_EQ(watch->next(60s).error().kind, Kind::cancelled);
  other.join();
  EXPECT_EQ(client->range("a").error().kind, Kind::cancelled);
  EXPECT_EQ(client->watch("a", "", 0).error().kind, Kind::cancelled);
}

TEST(EtcdClient, RefusesWhatIsNoEndpoint) {
  const auto error_of = [](const std::string& url) { return Client::make({.endpoints = {url}}).error(); };
  EXPECT_EQ(
      error_of("10.0.0.1:2379"),
      "endpoints[0]: \"10.0.0.1:2379\": neither http:// nor https:// is in front; write it as http://HOST:PORT or "
      "https://HOST:PORT, such as http://10.0.0.1:2379");
  EXPECT_NE(error_of("http://10.0.0.1").find("there is no port"), std::string::npos);
  EXPECT_NE(error_of("http://[::1]").find("there is no port"), std::string::npos);
  EXPECT_NE(error_of("http://:2379").find("no host name"), std::string::npos);
  EXPECT_NE(error_of("http://a b:2379").find("no host name"), std::string::npos);
  EXPECT_NE(error_of("http://a:0").find("the port is no number"), std::string::npos);
  EXPECT_NE(error_of("http://a:99999").find("the port is no number"), std::string::npos);
  EXPECT_TRUE(Client::make({.endpoints = {"http://[::1]:2379/", "https://etcd-1.local:2379"}}));
  EXPECT_EQ(Client::make({}).error(), "endpoints: none is given");
}

}  // namespace
}  // namespace weft::etcd
