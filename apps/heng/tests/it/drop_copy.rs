//! A drop copy over FIX hears of what happens through every door, of the accounts that are its own, and takes nothing.

use serde_json::json;

use crate::fix_client::FixClient;
use crate::house::{Folder, House, Shape, in_both_shapes, keyed};

in_both_shapes!(a_drop_copy_hears_of_every_door);

fn a_drop_copy_hears_of_every_door(shape: Shape) {
    let folder = Folder::new("copy");
    let house = House::start(shape, &folder.0, 5);
    let resting = keyed(&house.first_order, "", Some(&house.low()));
    let mut copy = FixClient::connect(&house.ready["fix_drop_copy"], resting.clone());
    let mut desk = FixClient::connect(&house.ready["fix"], resting.clone());
    copy.wait_up();

    let placed = |key: &str, price: Option<&str>| {
        let (status, told) = house.place(&keyed(&resting, key, price));
        assert!(matches!(status, 200 | 201), "{told}");
        told["order_id"].as_str().expect("a number").to_owned()
    };
    let rests = placed("by-rest", None);
    let told = copy.next();
    assert_eq!((told.exec.as_str(), told.order.as_str(), told.key.as_str()), ("0", rests.as_str(), "by-rest"));
    let (status, answer) = house.post(&format!("/v1/orders/{rests}/cancel"), &json!({ "account": house.account() }));
    assert!(matches!(status, 200 | 202), "{status} {answer}");
    let told = copy.next();
    assert_eq!((told.exec.as_str(), told.order.as_str()), ("4", rests.as_str()));

    let (status, answer) = house.place(&keyed(&resting, "by-mistake", Some("0.0001")));
    assert!(matches!(status, 409 | 422), "{status} {answer}");
    assert_eq!(copy.next().exec, "8");

    desk.send("by-fix", false);
    let own = desk.next();
    let told = copy.next();
    assert_eq!((own.exec.as_str(), own.order.as_str()), ("0", told.order.as_str()));
    assert_eq!((told.exec.as_str(), told.key.as_str()), ("0", "by-fix"));

    // The market trades all the time; of others nothing is told, and what is sent here is refused.
    copy.send("by-copy", false);
    copy.wait_refused();
    let last = placed("last", None);
    assert_eq!(copy.next().order, last);
    assert_eq!(house.terminate(), Some(0));
}
