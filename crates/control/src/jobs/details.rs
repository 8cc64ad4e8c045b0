//! What a carrier knows of a call only some time after its end: how long it took, what it cost, where its recording is,
//! who picked up. Exotel fills these some two minutes after the end (its reference of call details), Twilio prices a
//! call when it likes.

use store::CallId;
use store::jobs::JobError;

use super::fault;
use crate::outbound::{Late, Outbound};

/// Asks once. What is still not known after the last time never will be, and that is no fault: some accounts are told
/// no price.
pub(super) async fn fetch(outbound: &Outbound, call: CallId, is_last: bool) -> Result<(), JobError> {
    match outbound.fetch_details(call).await.map_err(fault)? {
        Late::Known | Late::NobodyToAsk => Ok(()),
        Late::Incomplete if is_last => {
            tracing::info!(call_id = %call, "the carrier has told neither length nor price for hours; that is left so");
            Ok(())
        }
        Late::Incomplete => Err(JobError::Again("the carrier does not know all of it yet".to_owned())),
        Late::NoSuchCall => Err(JobError::Never("the carrier knows no such call".to_owned())),
        Late::Silent(why) => Err(JobError::Again(why)),
    }
}
